//! The two files a user commits: the recipe and its lock.
