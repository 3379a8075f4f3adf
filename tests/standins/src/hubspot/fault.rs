use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::LOCATION};
use serde_json::json;
use tokio::sync::Semaphore;

use super::refusal::reply;
use crate::{Answer, Seen};

/// How an answer goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status instead, in the vendor's error shape.
    Status(u16),
    /// The connection is broken off.
    Reset,
    /// No answer, ever.
    Stall,
    /// The right answer, but not before the gate opens.
    Wait(Gate),
    /// Half of the right answer.
    HalfBody,
    /// The right status with a body that is not JSON.
    NotJson,
    /// A body and a header with the `Authorization` that came, as careless servers send.
    ReflectAuthorization,
    /// A redirect with this status to this URL.
    Redirect(u16, String),
    /// A body of this many bytes.
    Huge(usize),
}

/// Holds answers back until it is opened. Cheap to clone; clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    reached: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until one more request stands before the gate.
    pub async fn reached(&self) {
        if let Ok(arrival) = self.reached.acquire().await {
            arrival.forget();
        }
    }

    /// Lets everyone through, those still to come included.
    pub fn open(&self) {
        self.open.close();
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        // A closed semaphore is an open gate; nobody ever adds a permit.
        let _opened = self.open.acquire().await.is_err();
    }
}

impl Fault {
    pub(super) async fn answer(self, request: &Seen, served: impl FnOnce() -> Response<Bytes>) -> Answer {
        match self {
            Self::Status(status) => Answer::Whole(failed(status)),
            Self::Reset => Answer::Reset,
            Self::Stall => Answer::Stall,
            Self::Wait(gate) => {
                gate.pass().await;
                Answer::Whole(served())
            }
            Self::HalfBody => Answer::Half(served()),
            Self::NotJson => Answer::Whole(served().map(|_| Bytes::from_static(b"<html>We'll be right back</html>"))),
            Self::ReflectAuthorization => Answer::Whole(reflected(request, served())),
            Self::Redirect(status, url) => Answer::Whole(redirect(status, &url)),
            Self::Huge(bytes) => Answer::Whole(served().map(|_| Bytes::from(vec![b' '; bytes]))),
        }
    }
}

fn failed(status: u16) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(status, &json!({"status": "error", "message": "internal error", "correlationId": "0"}))
}

fn reflected(request: &Seen, mut served: Response<Bytes>) -> Response<Bytes> {
    let authorization = request.headers.get("authorization").cloned().unwrap_or(HeaderValue::from_static(""));
    let body = json!({"results": [{"id": "1", "properties": {"you_sent": authorization.to_str().unwrap_or("")}}]});
    served.headers_mut().insert("x-you-sent", authorization);
    served.map(|_| Bytes::from(body.to_string()))
}

fn redirect(status: u16, url: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response
}
