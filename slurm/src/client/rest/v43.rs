//! v0.0.43 on, of 25.05 and later: the script is a field of the job.

use serde_json::{Value, json};

use super::v40;
use crate::batch::Batch;

/// The body of `POST job/submit`, or what it cannot say.
pub(super) fn submit(batch: &Batch, script: &str) -> Result<Value, String> {
    let mut job = v40::job(batch)?;
    job.add("script", script);
    Ok(json!({ "job": job.into_value() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::rest::fields::tests::full;

    #[test]
    fn the_script_is_in_the_job() {
        let body = submit(&full(), "#!/bin/bash\ntrue\n").expect("a way");
        assert_eq!(body["job"]["script"], "#!/bin/bash\ntrue\n");
        assert!(body.get("script").is_none());
        assert_eq!(body["job"]["minimum_nodes"], 4);
    }
}
