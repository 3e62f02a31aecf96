use hyper::header::{CACHE_CONTROL, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE};
use hyper::{HeaderMap, StatusCode};

use super::{Shared, accept_ranges};
use crate::checks::Verdict;
use crate::folder::OpenError;
use crate::range::{Selection, select};
use crate::reply::{Content, Reply, content_type};
use crate::served_path::ServedPath;

/// Answers with a file, or a part of it.
pub(crate) async fn file(shared: &Shared, path: &str, headers: &HeaderMap) -> Reply {
    let Ok(path) = ServedPath::from_url(path) else {
        return Reply::error(StatusCode::BAD_REQUEST, "this is not the path of a served file");
    };
    let state = shared.state();
    let opened = match state.folders.open(&path) {
        Ok(opened) => opened,
        Err(OpenError::Missing) => {
            return Reply::error(StatusCode::NOT_FOUND, "no served folder has this file");
        }
        Err(OpenError::Unreadable(error)) => {
            return Reply::error(
                StatusCode::FORBIDDEN,
                format!("the file cannot be read: {error}"),
            );
        }
    };
    if let Some(checks) = &state.checks
        && let Verdict::Bad(why) = checks.check(&path, &opened).await
    {
        shared.metrics.refused_files.add(1);
        return Reply::error(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    let len = opened.len;
    let validators = opened.validators.clone();
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let selection = match range {
        Some(range) if validators.allows_range(headers) => select(range, len),
        _ => Selection::Whole,
    };
    let (status, first, end) = match selection {
        _ if validators.is_known(headers) => (StatusCode::NOT_MODIFIED, 0, 0),
        Selection::Whole => (StatusCode::OK, 0, len),
        Selection::Part(first, end) => (StatusCode::PARTIAL_CONTENT, first, end),
        Selection::Nothing => {
            let reason = format!("the file has {len} bytes, none of which are in the range");
            let reply = Reply::error(StatusCode::RANGE_NOT_SATISFIABLE, reason);
            return reply.header(CONTENT_RANGE, &format!("bytes */{len}"));
        }
    };
    let mut reply = Reply {
        status,
        content_type: content_type(path.name()),
        headers: Vec::new(),
        content: Content::File(opened, first, end),
        reason: None,
    };
    if status == StatusCode::PARTIAL_CONTENT {
        reply = reply.header(CONTENT_RANGE, &format!("bytes {first}-{}/{len}", end - 1));
    }
    accept_ranges(reply)
        .header(ETAG, &validators.etag)
        .header(LAST_MODIFIED, &httpdate::fmt_http_date(validators.modified))
        .header(CACHE_CONTROL, "no-cache")
}
