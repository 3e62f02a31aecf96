use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flagstone_fetch::{HttpTransport, TransportError, Url};
use serde::{Deserialize, Serialize};

/// The longest answer of a server, in bytes.
const ANSWER_MAX: u64 = 1 << 20;
/// How often a change is tried that others keep coming before.
const TRIES: usize = 16;

/// Lets at most so many machines of a group restart at a time. A trait, so that fleets can bring their own.
pub trait RebootLock {
    /// Asks for the lock. Returns whether this machine has it, now or since before.
    ///
    /// # Errors
    /// [`LockError`]: then it is not known whether it has.
    fn acquire(&self) -> Result<bool, LockError>;

    /// Gives the lock back, if this machine has it. Returns whether it had.
    ///
    /// # Errors
    /// [`LockError`].
    fn release(&self) -> Result<bool, LockError>;
}

/// Why a lock could be neither had nor refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// No server could be asked.
    #[error("failed to ask {url}")]
    Ask {
        /// The last server that was tried.
        url: Url,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// A server's answer is none of etcd's.
    #[error("{url} did not answer as etcd does: {reason}")]
    Answer {
        /// The server.
        url: Url,
        /// What is wrong.
        reason: String,
    },
    /// Others changed the lock each time before this machine could.
    #[error("others kept changing the lock")]
    Crowded,
    /// There are no servers.
    #[error("no server is named")]
    NoServer,
}

/// A semaphore in etcd, by the JSON form of its API, version 3: one key, changed only if nobody else did in
/// between.
#[derive(Debug)]
pub struct EtcdLock {
    /// The servers; the next one is asked if one cannot be.
    pub servers: Vec<Url>,
    /// The group of machines that share the lock.
    pub group: String,
    /// How many machines may have it at a time.
    pub slots: usize,
    /// What this machine is called.
    pub machine: String,
    /// The connection.
    pub transport: HttpTransport,
}

/// What the key holds. Others may add words, which stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Holders {
    #[serde(default)]
    holders: Vec<String>,
    #[serde(flatten)]
    more: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Range {
    #[serde(default)]
    kvs: Vec<KeyValue>,
}

#[derive(Debug, Deserialize)]
struct KeyValue {
    mod_revision: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
struct Transaction {
    #[serde(default)]
    succeeded: bool,
}

impl RebootLock for EtcdLock {
    fn acquire(&self) -> Result<bool, LockError> {
        self.change(|holders| {
            if holders.contains(&self.machine) {
                return Change::Keep(true);
            }
            if holders.len() >= self.slots {
                return Change::Keep(false);
            }
            holders.push(self.machine.clone());
            Change::Write(true)
        })
    }

    fn release(&self) -> Result<bool, LockError> {
        self.change(|holders| {
            let before = holders.len();
            holders.retain(|holder| *holder != self.machine);
            if holders.len() == before { Change::Keep(false) } else { Change::Write(true) }
        })
    }
}

/// What is to become of the holders, and what the answer is then.
enum Change {
    Keep(bool),
    Write(bool),
}

impl EtcdLock {
    fn change(&self, decide: impl Fn(&mut Vec<String>) -> Change) -> Result<bool, LockError> {
        let key = BASE64_STANDARD.encode(format!("/flagstone/reboot/{}", self.group));
        for _ in 0..TRIES {
            let (url, range): (_, Range) =
                self.ask("v3/kv/range", &serde_json::json!({ "key": key }))?;
            let found = range.kvs.into_iter().next();
            let (mut value, revision) = match found {
                None => (Holders::default(), "0".to_owned()),
                Some(found) => (decode(&url, &found.value)?, found.mod_revision),
            };
            let answer = match decide(&mut value.holders) {
                Change::Keep(answer) => return Ok(answer),
                Change::Write(answer) => answer,
            };
            let text = serde_json::to_vec(&value).unwrap_or_default();
            // A key that is not there has been changed at revision 0.
            let transaction = serde_json::json!({
                "compare": [
                    { "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision },
                ],
                "success": [
                    { "request_put": { "key": key, "value": BASE64_STANDARD.encode(text) } },
                ],
            });
            let (_, done): (_, Transaction) = self.ask("v3/kv/txn", &transaction)?;
            if done.succeeded {
                return Ok(answer);
            }
        }
        Err(LockError::Crowded)
    }

    /// Asks the servers, one after the other, until one answers.
    fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        question: &serde_json::Value,
    ) -> Result<(Url, T), LockError> {
        let question = question.to_string();
        let mut last = LockError::NoServer;
        for server in &self.servers {
            let Ok(url) = server.join(path) else { continue };
            match self.transport.post_json(&url, question.as_bytes(), ANSWER_MAX) {
                Ok(answer) => {
                    let parsed = serde_json::from_slice(&answer).map_err(|error| {
                        LockError::Answer { url: url.clone(), reason: error.to_string() }
                    });
                    return Ok((url, parsed?));
                }
                Err(source) => last = LockError::Ask { url, source },
            }
        }
        Err(last)
    }
}

fn decode(url: &Url, value: &str) -> Result<Holders, LockError> {
    let wrong = |reason: String| LockError::Answer { url: url.clone(), reason };
    let text = BASE64_STANDARD.decode(value).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| wrong(format!("the key of the lock: {error}")))
}
