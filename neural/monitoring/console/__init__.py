"""The pages of monitoring: home, queues, workers, schedules, and how they are drawn."""
