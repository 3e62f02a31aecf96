//! The one socket: transports, a content-addressed cache, limits.
