//! From package archives to a finished root file system tree, without maintainer scripts.
