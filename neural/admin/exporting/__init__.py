"""Lists as files: each list of the admin as CSV for spreadsheets and as NDJSON for programs.

A file has the rows that the list shows for the same address, all pages of it. It is sent while it
is read, in short queries along the primary key, so that neither memory nor the database holds more
than one piece of it.
"""
