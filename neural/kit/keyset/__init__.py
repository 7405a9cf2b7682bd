"""Pages of large tables by key: each reads a bounded number of rows along an index.

The admin's lists and the lists of the HTTP API are made of them.
"""
