"""The public files of the raw data sets, whole and verified."""
