use serde::{Deserialize, Serialize};

use crate::snapshot::FileVersion;

/// Which snapshot is the newest (TUF 1.0, 4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timestamp {
    pub(crate) meta: TimestampMeta,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimestampMeta {
    #[serde(rename = "snapshot.json")]
    pub(crate) snapshot: FileVersion,
}
