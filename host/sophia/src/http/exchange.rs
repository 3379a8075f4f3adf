//! The account of one request: who asked for what, what it came to, and what the node itself
//! took. Closed exactly once, with the answer's last byte: that writes the access line, counts,
//! and ends the span.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, header};
use sophia_domain::{ConnectionName, Fault, KeyId, ProblemDocument, QuotaReached, RequestId, RouteClass, TenantId};
use sophia_identity::Caller;
use sophia_ledger::{Pass, Used};
use sophia_models::Trip;
use sophia_sandbox::{Ended, Spent};
use tracing::Span;

use super::{body::Body, problem, trace::Trace};
use crate::{
    access::{AccessLine, ModelPart, hex, micros},
    limited::{self, Shown},
    metrics::{ModelMeter, PluginMeter, Route},
    node::Node,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OVERHEAD: HeaderName = HeaderName::from_static("x-sophia-overhead-us");

/// What is spent by requests without a key is counted under this name: endpoints that are public,
/// and webhooks.
const PUBLIC: &str = "public";

/// One per request.
pub(crate) struct Exchange {
    /// The node that answers.
    pub(crate) node: Arc<Node>,
    /// Where it stands in a trace.
    pub(crate) trace: Trace,
    /// Covers it from the first byte to the last.
    pub(crate) span: Span,
    peer: IpAddr,
    method: Method,
    uri: Uri,
    route: Route,
    began: Instant,
    /// Time that was the caller's or the guest's, not the node's.
    not_ours: Duration,
    caller: Option<Caller>,
    plugin: Option<Arc<PluginMeter>>,
    connection: Option<ConnectionName>,
    spent: Option<Spent>,
    /// The model that answered, and what it used.
    model: Option<(Arc<ModelMeter>, Used)>,
    /// What the policy took to decide.
    policy: Option<Duration>,
    failure: Option<&'static str>,
    /// Methods that the route takes, where it refused another.
    allow: Option<HeaderValue>,
    /// What it took of limits; its place among the calls at once is given back with it.
    pass: Option<Arc<Pass>>,
    /// The limit that refused it.
    reached: Option<Box<QuotaReached>>,
}

impl Exchange {
    /// Opens the account.
    pub(crate) fn begin(
        node: Arc<Node>,
        peer: IpAddr,
        route: Route,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
    ) -> Self {
        let trace = Trace::of(headers);
        Self {
            span: trace.span(method, route),
            trace,
            node,
            peer,
            method: method.clone(),
            uri: uri.clone(),
            route,
            began: Instant::now(),
            not_ours: Duration::ZERO,
            caller: None,
            plugin: None,
            connection: None,
            spent: None,
            model: None,
            policy: None,
            failure: None,
            allow: None,
            pass: None,
            reached: None,
        }
    }

    /// Names the request.
    pub(crate) fn id(&self) -> RequestId {
        self.trace.id
    }

    /// Who asked, as the connection knows it.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Notes whose key was sent.
    pub(crate) fn asked_by(&mut self, caller: Caller) {
        self.caller = Some(caller);
    }

    /// Whose key was sent; none at a public route.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The key under which money is spent.
    pub(crate) fn key(&self) -> KeyId {
        self.caller.as_ref().map_or_else(|| KeyId::from(PUBLIC), |caller| caller.key.clone())
    }

    /// Counts it against the limits of its tenant and its key, once these are known. A plugin's
    /// tenant is that of a request without a key.
    pub(crate) async fn enter(&mut self, tenant: &TenantId, class: RouteClass) -> Result<(), ProblemDocument> {
        let tenant = self.caller.as_ref().map_or(tenant, |caller| &caller.tenant);
        let entered = self.node.ledger.quotas().enter(tenant, &self.key(), class).await;
        self.pass = entered.map_err(limited::problem)?.map(Arc::new);
        Ok(())
    }

    /// Notes what it took of limits.
    pub(crate) fn entered(&mut self, pass: Arc<Pass>) {
        self.pass = Some(pass);
    }

    /// Gives back what it took of limits: the node could not take it.
    pub(crate) fn take_back(&self) {
        if let Some(pass) = &self.pass {
            pass.take_back();
        }
    }

    /// Notes the limit that refused it.
    pub(crate) fn limited(&mut self, reached: &QuotaReached) {
        self.reached = Some(Box::new(reached.clone()));
    }

    /// Notes which methods the route takes (RFC 9110, 15.5.6).
    pub(crate) fn allows(&mut self, methods: HeaderValue) {
        self.allow = Some(methods);
    }

    /// Notes which plugin answers.
    pub(crate) fn calls(&mut self, plugin: Arc<PluginMeter>, connection: Option<ConnectionName>) {
        self.span.record("sophia.plugin", plugin.name().as_str());
        self.plugin = Some(plugin);
        self.connection = connection;
    }

    /// Notes time that was not the node's: the caller's body took so long to arrive, or the guest
    /// to answer.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.not_ours += time;
    }

    /// Notes how the call ended: `ok`, or the word for what went wrong.
    pub(crate) fn called(&mut self, outcome: &'static str, spent: Spent) {
        self.waited(spent.wall);
        self.count(outcome, spent);
    }

    /// Notes where the time of a model request went.
    pub(crate) fn went(&mut self, trip: Trip) {
        self.waited(trip.waited);
        self.policy = trip.policy;
        if let Some(took) = trip.policy {
            self.node.metrics.policy.observe(took);
        }
    }

    /// Notes which model answered, what is billed, and how the answer failed, if it did.
    pub(crate) fn answered_by(&mut self, meter: Arc<ModelMeter>, used: Used, failure: Option<&'static str>) {
        meter.answered(used, failure);
        self.model = Some((meter, used));
        self.failure = failure;
    }

    /// Notes that nothing came of the request, and why.
    pub(crate) fn refused(&mut self, why: Option<&'static str>) {
        self.failure = self.failure.or(why);
    }

    fn count(&mut self, outcome: &'static str, spent: Spent) {
        if let Some(plugin) = &self.plugin {
            plugin.called(outcome, spent);
        }
        self.spent = Some(spent);
        if outcome != "ok" {
            self.failure = Some(outcome);
        }
    }

    /// Turns the outcome into the answer, and closes the account unless the answer still streams.
    pub(crate) fn finish(mut self, outcome: Result<Response<Body>, ProblemDocument>) -> Response<Body> {
        let mut response = outcome.unwrap_or_else(|document| self.refuse(document));
        self.stamp(response.headers_mut());
        let status = response.status().as_u16();
        match response.body_mut() {
            Body::Guest(stream) => stream.account(self, status),
            Body::Model(stream) => stream.account(self, status),
            whole => {
                let (n_sent, wall) = (whole.len().unwrap_or(0), self.wall());
                self.close((status, n_sent), wall);
            }
        }
        response
    }

    /// Time since the first byte.
    pub(crate) fn wall(&self) -> Duration {
        self.began.elapsed()
    }

    /// Closes the account of an answer that streamed, whose waiting is noted already.
    pub(crate) fn close_streamed(mut self, ended: Ended, sent: (u16, u64), wall: Duration) {
        self.count(ended.fault.as_ref().map_or("ok", Fault::kind), ended.spent);
        if let (Some(fault), Some(plugin)) = (&ended.fault, &self.plugin) {
            let (plugin, request_id) = (plugin.name(), self.id());
            tracing::warn!(%plugin, %request_id, %fault, "a plugin's call failed behind its answer's head");
        }
        self.close(sent, wall);
    }

    /// Counts, writes the access line, ends the span.
    pub(crate) fn close(self, (status, n_sent): (u16, u64), wall: Duration) {
        let overhead = self.overhead(wall);
        self.node.metrics.answered(self.route, status, wall);
        self.node.metrics.overhead.observe(overhead);
        if !self.span.is_disabled() {
            self.span.record("http.response.status_code", status);
            self.failure.map(|failure| self.span.record("sophia.failure", failure));
        }
        let line = AccessLine {
            peer: self.peer,
            method: &self.method,
            path: self.uri.path(),
            route: self.route.as_str(),
            status,
            wall,
            overhead,
            cpu: self.spent.map(|spent| spent.cpu),
            sent: n_sent,
            model: self.model.as_ref().map(|(meter, used)| ModelPart {
                model: meter.model(),
                upstream: meter.upstream(),
                tokens: used.tokens,
                cost: used.cost,
            }),
            policy: self.policy,
            plugin: self.plugin.as_ref().map(|plugin| plugin.name().as_str()),
            connection: self.connection.as_ref().map(ConnectionName::as_str),
            failure: self.failure,
            id: self.id(),
        };
        let format = self.node.config.telemetry.log_format;
        self.node.lines.append(|out| line.write(format, out));
    }

    fn refuse(&mut self, document: ProblemDocument) -> Response<Body> {
        self.failure = self.failure.or_else(|| problem::failure(&document.problem));
        if let Some(reached) = &document.problem.limit {
            self.limited(reached);
        }
        let mut response = problem::answer(document, self.id());
        if let Some(methods) = self.allow.take() {
            response.headers_mut().insert(header::ALLOW, methods);
        }
        response
    }

    fn stamp(&self, headers: &mut HeaderMap) {
        if let Ok(id) = HeaderValue::from_bytes(&hex(self.id())) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(OVERHEAD, micros(self.overhead(self.wall())).into());
        let standing = || self.pass.as_ref().and_then(|pass| pass.tightest()).map(Shown::from);
        if let Some(shown) = self.reached.as_deref().map(Shown::from).or_else(standing) {
            shown.stamp(headers);
        }
    }

    fn overhead(&self, wall: Duration) -> Duration {
        wall.saturating_sub(self.not_ours)
    }
}
