//! A request's body: bounded in size and time, then of the right shape.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Text of 500,000 tokens: a hundred times what the models take.
const MAX_BYTES: usize = 2 << 20;
/// How `serde_path_to_error` writes the whole body.
const ROOT: &str = ".";
/// From the head to the body's last byte.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Reads a JSON object as `T`. Fields that `T` does not know are ignored.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    parse(&collect(body).await?)
}

async fn collect(body: Body) -> Result<Bytes, ApiError> {
    let collected = tokio::time::timeout(MAX_TIME, Limited::new(body, MAX_BYTES).collect());
    match collected.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(MAX_BYTES)),
        Ok(Err(_)) => Err(ApiError::malformed("the body ended early")),
        Err(_) => Err(ApiError::too_slow()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.is_data() {
            // A field that is missing, or no object at all.
            true if path == ROOT => ApiError::malformed(error.to_string()),
            true => ApiError::invalid(&path, error.to_string()),
            false => ApiError::malformed(format!("the body is no JSON: {error}")),
        }
    })?;
    json.end().map_err(|error| ApiError::malformed(format!("the body is no JSON: {error}")))?;
    Ok(value)
}
