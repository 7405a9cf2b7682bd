"""Tests of the project as a whole: documents, packages, settings, deployment."""
