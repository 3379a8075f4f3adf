//! `wasi:http/incoming-handler@0.2`.

use std::{future::Future, pin::Pin, sync::Arc, task::Poll};

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

use super::{
    body::{EndpointBody, GuestTask},
    tally::{Counted, Tally},
};
use crate::{
    Call, Program, Spent,
    fault::{Stage, classify},
    guest::Guest,
    inspector::{self, Moment},
    meter::Metered,
};

type Head = Result<http::Response<WasiBody>, ErrorCode>;
/// The guest from its first instruction to its end, and how it failed.
type Work = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>;

impl Program {
    pub(super) async fn proxy(
        &self,
        pre: &ProxyPre<Guest>,
        call: Call,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<EndpointBody>, (Fault, Spent)> {
        let limit = call.limits.response.0;
        let tally = Arc::new(Tally::default());
        let store = Counted::new(Guest::store(&self.engines, self.pre.engine(), call), tally.clone());
        let (sender, mut head) = oneshot::channel();
        let mut work: Work = Box::pin(run(pre.clone(), store, tally.clone(), request, sender));
        let answered = match first(&mut work, &mut head).await {
            // The guest goes on behind the body, and ends with it. How it fails stands in the tally.
            First::Head(head) => {
                let guest = GuestTask(tokio::spawn(async move { drop(work.await) }.in_current_span()));
                response(head).map(|response| (response, Some(guest)))
            }
            First::Done(Ok(())) => match head.try_recv() {
                Ok(head) => response(head).map(|response| (response, None)),
                Err(_) => Err(Fault::Contract("the endpoint gave no answer".into())),
            },
            First::Done(Err(fault)) => Err(fault),
        };
        match answered {
            Ok((response, guest)) => Ok(response.map(|body| EndpointBody::new(body, limit, guest, tally))),
            Err(fault) => Err((fault, tally.spent())),
        }
    }
}

/// What came first: the end of the guest, or the head of its answer while it goes on.
enum First {
    Done(Result<(), Fault>),
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

fn response(head: Head) -> Result<http::Response<WasiBody>, Fault> {
    head.map_err(|code| Fault::Contract(format!("the endpoint answered with an error: {code:?}")))
}

async fn run(
    pre: ProxyPre<Guest>,
    mut counted: Counted,
    tally: Arc<Tally>,
    request: http::Request<WasiBody>,
    sender: oneshot::Sender<Head>,
) -> Result<(), Fault> {
    let wall = counted.store.data().call.limits.wall.0;
    inspector::watch(&mut counted.store);
    let serving = serve(&pre, &mut counted.store, request, sender);
    let timed = tokio::time::timeout(wall, Metered::new(serving, &tally.cpu)).await;
    let result = match timed {
        Ok(Ok(())) => Ok(()),
        Ok(Err((error, stage))) => Err(classify(&error, stage, counted.store.data())),
        Err(_) => Err(Fault::Limit(LimitKind::Wall)),
    };
    inspector::look(StoreContextMut::from(&mut counted.store), Moment::BeforeDrop);
    // Before the store goes, and the answer's body breaks off with it.
    let result = result.map_err(|fault| tally.fail(fault));
    counted.settle();
    result
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
