//! `wasi:http/handler@0.3`.

use std::{pin::Pin, sync::Arc};

use http_body_util::BodyExt;
use sophia_domain::{Fault, LimitKind};
use tokio::sync::oneshot;
use tracing::Instrument;
use wasmtime::{Store, StoreContextMut, component::Accessor};
use wasmtime_wasi_http::{
    Error, WasiBody, WasiHttpView,
    p3::{
        Request,
        bindings::{Service, ServicePre},
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

/// The head of an answer, or how the guest failed before it.
type Head = Result<http::Response<WasiBody>, Fault>;
/// Tells the guest, where it asks, how the taking of its answer ended.
type Processed = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Program {
    pub(super) async fn service(
        &self,
        pre: &ServicePre<Guest>,
        call: Call,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<EndpointBody>, (Fault, Spent)> {
        let limit = call.limits.response.0;
        let tally = Arc::new(Tally::default());
        let store = Counted::new(Guest::store(&self.engines, self.pre.engine(), call), tally.clone());
        let (sender, head) = oneshot::channel();
        let guest = run(pre.clone(), store, tally.clone(), request, sender);
        let guest = GuestTask(tokio::spawn(guest.in_current_span()));
        let fault = match head.await {
            Ok(Ok(response)) => return Ok(response.map(|body| EndpointBody::new(body, limit, Some(guest), tally))),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Host("the endpoint's task ended".into()),
        };
        Err((fault, tally.spent()))
    }
}

async fn run(
    pre: ServicePre<Guest>,
    mut counted: Counted,
    tally: Arc<Tally>,
    request: http::Request<WasiBody>,
    sender: oneshot::Sender<Head>,
) {
    let wall = counted.store.data().call.limits.wall.0;
    inspector::watch(&mut counted.store);
    let mut sender = Some(sender);
    let serving = serve(&pre, &mut counted.store, request, &mut sender);
    let timed = tokio::time::timeout(wall, Metered::new(serving, &tally.cpu)).await;
    let fault = match timed {
        Ok(Ok(())) => None,
        Ok(Err((error, stage))) => Some(classify(&error, stage, counted.store.data())),
        Err(_) => Some(Fault::Limit(LimitKind::Wall)),
    };
    inspector::look(StoreContextMut::from(&mut counted.store), Moment::BeforeDrop);
    // Before the store goes, and the answer's body breaks off with it.
    let fault = fault.map(|fault| tally.fail(fault));
    counted.settle();
    if let (Some(fault), Some(sender)) = (fault, sender) {
        // Nobody listens where the caller went away.
        drop(sender.send(Err(fault)));
    }
}

async fn serve(
    pre: &ServicePre<Guest>,
    store: &mut Store<Guest>,
    request: http::Request<WasiBody>,
    sender: &mut Option<oneshot::Sender<Head>>,
) -> Result<(), (wasmtime::Error, Stage)> {
    let service = pre.instantiate_async(&mut *store).await.map_err(|error| (error, Stage::Instantiate))?;
    let in_guest = |error| (error, Stage::Run);
    let served = store.run_concurrent(async |accessor| exchange(accessor, &service, request, sender).await).await;
    served.map_err(in_guest)?.map_err(in_guest)
}

/// Hands the request in, the head of the answer out, and stays until the body is taken.
async fn exchange(
    accessor: &Accessor<Guest>,
    service: &Service,
    request: http::Request<WasiBody>,
    sender: &mut Option<oneshot::Sender<Head>>,
) -> wasmtime::Result<()> {
    let (request, processed) = accessor.with(|mut store| {
        let (request, processed) = Request::from_http(store.get().http().hooks, request);
        (request, Box::pin(processed) as Processed)
    });
    let response = service
        .handle(accessor, request)
        .await?
        .map_err(|code| wasmtime::Error::msg(format!("the endpoint answered with an error: {code:?}")))?;
    let response = accessor.with(|mut store| response.into_http(&mut store, processed))?;
    let (taken, body_taken) = oneshot::channel::<()>();
    let response = response.map(|body| tell_when_dropped(body, taken));
    if let Some(sender) = sender.take() {
        drop(sender.send(Ok(response)));
    }
    // An error is the sender's drop: the body is gone, and with it the call.
    drop(body_taken.await);
    Ok(())
}

/// A body that drops `taken` with itself.
fn tell_when_dropped(body: WasiBody, taken: oneshot::Sender<()>) -> WasiBody {
    body.map_err(move |error: Error| {
        let _held = &taken;
        error
    })
    .boxed_unsync()
}
