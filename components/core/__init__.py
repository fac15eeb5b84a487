"""What everything may use: errors, digests, files written aside and renamed, progress."""
