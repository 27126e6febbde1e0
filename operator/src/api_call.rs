//! One call to the API server: bounded in time, its failure named and classed.
//!
//! kube's client has no read timeout, so every call goes through [`bounded`]. Its own retries (15
//! of them, up to 1000 s apart) are off: see [`client_config`].

use std::future::Future;
use std::time::Duration;

use kube::core::Status;

use crate::ports::{ErrorClass, ObjectError};

/// The longest that one call may take. The fence wants the lease to hold for longer than this.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Settings of the client for an operator whose every call has its own limit.
pub(crate) fn client_config(mut config: kube::Config) -> kube::Config {
    config.default_retry = false;
    config.connect_timeout = Some(CALL_LIMIT);
    config.write_timeout = Some(CALL_LIMIT);
    config
}

/// Runs one call, for at most [`CALL_LIMIT`].
pub(crate) async fn bounded<T>(
    operation: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, ObjectError> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ObjectError {
            operation: operation.into(),
            class: class(&error),
            source: Some(Box::new(error)),
        }),
        Err(elapsed) => Err(ObjectError {
            operation: operation.into(),
            class: ErrorClass::Transient,
            source: Some(Box::new(elapsed)),
        }),
    }
}

/// An error without a cause below it.
pub(crate) fn fault(operation: impl Into<String>, class: ErrorClass) -> ObjectError {
    ObjectError {
        operation: operation.into(),
        class,
        source: None,
    }
}

/// The API server's answer, where it gave one.
pub(crate) fn answer(error: &ObjectError) -> Option<&Status> {
    match error.source.as_ref()?.downcast_ref::<kube::Error>()? {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

fn class(error: &kube::Error) -> ErrorClass {
    match error {
        kube::Error::Api(status) => class_of_answer(status),
        kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
            ErrorClass::Bug
        }
        _ => ErrorClass::Transient,
    }
}

/// 401 is Transient: tokens rotate. 404 too: of all our calls only those meet it whose namespace
/// or object is on its way out, and the next view shows that.
fn class_of_answer(status: &Status) -> ErrorClass {
    match status.code {
        409 => ErrorClass::Conflict,
        400 | 405 | 406 | 413 | 415 | 422 => ErrorClass::Invalid,
        403 => ErrorClass::Forbidden,
        _ => ErrorClass::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_a_class() {
        let table = [
            (400, ErrorClass::Invalid),
            (401, ErrorClass::Transient),
            (403, ErrorClass::Forbidden),
            (404, ErrorClass::Transient),
            (409, ErrorClass::Conflict),
            (422, ErrorClass::Invalid),
            (429, ErrorClass::Transient),
            (500, ErrorClass::Transient),
            (503, ErrorClass::Transient),
        ];
        for (code, expected) in table {
            let status = Status::failure("no", "Because").with_code(code);
            assert_eq!(class_of_answer(&status), expected, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_as_transient() {
        let error = bounded("get Secret x", std::future::pending::<kube::Result<()>>())
            .await
            .unwrap_err();
        assert_eq!(error.class, ErrorClass::Transient);
        assert_eq!(error.to_string(), "failed to get Secret x");
    }
}
