"""'Edit and retry': the form, the difference before it is confirmed, and what it says then."""
