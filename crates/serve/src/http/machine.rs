use hyper::StatusCode;
use serde_json::{Map, Value};

use super::{Client, Shared};
use crate::address::BaseUrl;
use crate::group::Group;
use crate::label::Labels;
use crate::plan::NoProfile;
use crate::profile::{Machine, Profile};
use crate::reply::{JSON, PLAIN, Reply};
use crate::template::FillError;

/// Answers with the boot script of a machine.
pub(crate) fn script(shared: &Shared, client: &Client, base: &BaseUrl, labels: &Labels) -> Reply {
    with_profile(shared, client, labels, |group, profile| {
        let written = profile.script(&Machine { base, group, labels });
        document(written, PLAIN, "the profile of this machine boots nothing")
    })
}

/// Answers with the Ignition document of a machine.
pub(crate) fn ignition(shared: &Shared, client: &Client, base: &BaseUrl, labels: &Labels) -> Reply {
    with_profile(shared, client, labels, |group, profile| {
        let machine = Machine { base, group, labels };
        let written =
            profile.ignition.as_ref().map(|document| document.write(&machine)).transpose();
        document(written, JSON, "the profile of this machine has no Ignition document")
    })
}

/// Answers with what is known about a machine.
pub(crate) fn metadata(shared: &Shared, client: &Client, _: &BaseUrl, labels: &Labels) -> Reply {
    with_profile(shared, client, labels, |group, _| {
        let map = |pairs: &mut dyn Iterator<Item = (&str, &str)>| {
            let pairs = pairs.map(|(name, value)| (name.to_owned(), Value::from(value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        let metadata =
            &mut group.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let about = serde_json::json!({
            "group": group.name,
            "profile": group.profile,
            "labels": map(&mut labels.iter()),
            "metadata": map(metadata),
        });
        Reply::text(JSON, format!("{about:#}\n"))
    })
}

fn with_profile(
    shared: &Shared,
    client: &Client,
    labels: &Labels,
    then: impl FnOnce(&Group, &Profile) -> Reply,
) -> Reply {
    let state = shared.state();
    let found = state.plan.find(labels);
    let group = found.as_ref().ok().map(|(group, _)| group.name.as_str());
    shared.machines.identified(client.address.ip(), labels, group);
    match found {
        Ok((group, profile)) => then(group, profile),
        Err(error @ NoProfile::NoGroup) => Reply::error(StatusCode::NOT_FOUND, error.to_string()),
        Err(error @ NoProfile::Several(..)) => {
            shared.log.error(format!("{}: {error}", client.address.ip()));
            Reply::error(StatusCode::CONFLICT, error.to_string())
        }
    }
}

fn document(
    written: Result<Option<String>, FillError>,
    content_type: &'static str,
    none: &'static str,
) -> Reply {
    match written {
        Ok(Some(text)) => Reply::text(content_type, text),
        Ok(None) => Reply::error(StatusCode::NOT_FOUND, none),
        Err(error) => Reply::error(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    }
}
