//! `wasi:http/incoming-handler@0.2`.

use std::{future::Future, pin::Pin, task::Poll};

use sophia_domain::{Fault, LimitKind};
use tokio::sync::oneshot;
use tracing::Instrument;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::{
    WasiBody, WasiHttpView,
    p2::bindings::{
        ProxyPre,
        http::types::{ErrorCode, Scheme},
    },
};

use super::body::{EndpointBody, GuestTask};
use crate::{
    Call, Program, Spent,
    fault::{Stage, classify},
    guest::Guest,
    inspector::{self, Moment},
    meter::Metered,
};

type Head = Result<http::Response<WasiBody>, ErrorCode>;
/// The guest from its first instruction to its end; what it used, and how it failed.
type Work = Pin<Box<dyn Future<Output = (Result<(), Fault>, Spent)> + Send>>;

impl Program {
    pub(super) async fn proxy(
        &self,
        pre: &ProxyPre<Guest>,
        call: Call,
        request: http::Request<WasiBody>,
    ) -> (Result<http::Response<EndpointBody>, Fault>, Spent) {
        let response_limit = call.limits.response.0;
        let store = Guest::store(&self.engines, self.pre.engine(), call);
        let (sender, mut head) = oneshot::channel();
        let mut work: Work = Box::pin(run(pre.clone(), store, request, sender));
        match first(&mut work, &mut head).await {
            First::Head(head) => {
                // The guest goes on behind the body, and ends with it.
                let guest = GuestTask(tokio::spawn(async move { finish(work.await) }.in_current_span()));
                (answer(head, response_limit, Some(guest)), Spent::default())
            }
            First::Done((Ok(()), spent)) => match head.try_recv() {
                Ok(head) => (answer(head, response_limit, None), spent),
                Err(_) => (Err(Fault::Contract("the endpoint gave no answer".into())), spent),
            },
            First::Done((Err(fault), spent)) => (Err(fault), spent),
        }
    }
}

/// What came first: the end of the guest, or the head of its answer while it goes on.
enum First {
    Done((Result<(), Fault>, Spent)),
    Head(Head),
}

/// Polls the guest in place, so that one that answers and ends at once needs no task.
async fn first(work: &mut Work, head: &mut oneshot::Receiver<Head>) -> First {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(First::Done(done));
        }
        match Pin::new(&mut *head).poll(cx) {
            Poll::Ready(Ok(head)) => Poll::Ready(First::Head(head)),
            // The sender is gone without an answer: the guest's end says why.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn answer(head: Head, limit: u64, guest: Option<GuestTask>) -> Result<http::Response<EndpointBody>, Fault> {
    match head {
        Ok(response) => Ok(response.map(|body| EndpointBody::new(body, limit, guest))),
        Err(code) => Err(Fault::Contract(format!("the endpoint answered with an error: {code:?}"))),
    }
}

/// A fault after the head went out can only be logged: the body breaks off by itself.
fn finish((result, _): (Result<(), Fault>, Spent)) {
    if let Err(fault) = result {
        tracing::warn!(fault = fault.kind(), detail = %fault, "an endpoint faulted behind its answer");
    }
}

async fn run(
    pre: ProxyPre<Guest>,
    mut store: Store<Guest>,
    request: http::Request<WasiBody>,
    sender: oneshot::Sender<Head>,
) -> (Result<(), Fault>, Spent) {
    let wall = store.data().call.limits.wall.0;
    inspector::watch(&mut store);
    let timed = tokio::time::timeout(wall, Metered::new(serve(&pre, &mut store, request, sender))).await;
    let (result, cpu) = match timed {
        Ok((Ok(()), cpu)) => (Ok(()), cpu),
        Ok((Err((error, stage)), cpu)) => (Err(classify(&error, stage, store.data())), cpu),
        Err(_) => (Err(Fault::Limit(LimitKind::Wall)), std::time::Duration::ZERO),
    };
    inspector::look(StoreContextMut::from(&mut store), Moment::BeforeDrop);
    store.data_mut().close_log();
    let spent = Spent { cpu, ..store.data().spent() };
    (result, spent)
}

async fn serve(
    pre: &ProxyPre<Guest>,
    store: &mut Store<Guest>,
    request: http::Request<WasiBody>,
    sender: oneshot::Sender<Head>,
) -> Result<(), (wasmtime::Error, Stage)> {
    let before = |error| (error, Stage::Instantiate);
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request).map_err(before)?;
    let out = store.data_mut().http().new_response_outparam(sender).map_err(before)?;
    let proxy = pre.instantiate_async(&mut *store).await.map_err(before)?;
    let handler = proxy.wasi_http_incoming_handler();
    handler.call_handle(store, request, out).await.map_err(|error| (error, Stage::Run))
}
