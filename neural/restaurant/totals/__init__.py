"""Sums that are always computed anew from the rows that they sum up."""
