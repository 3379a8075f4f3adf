//! A version that is loaded: linked once, called many times.

use std::sync::Arc;

use sophia_domain::{ByteSize, Fault, HttpVersion, LimitKind, World};
use wasmtime::{
    Store, StoreContextMut,
    component::{Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc},
};
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};

use crate::{
    Call, Candidate, Decision, Done, EngineKind, Hook, LoadError, Outcome, Page, PluginError, RoutingRequest, Sandbox,
    SealedAot, Surface, Task, WebhookOutcome, WebhookRequest,
    bindings::{
        exports::sophia::plugin::{connector_calls, pattern_calls, routing},
        sophia::plugin::types::Error as WitError,
    },
    engine::Engines,
    fault::{Stage, classify},
    guest::Guest,
    inspector::{self, Moment},
    link,
    meter::{Cpu, Metered},
};

/// One per version; shared by all its calls. The code stays mapped for as long as this lives, so
/// calls that began before a swap end in the version they began with.
pub struct Program {
    pub(crate) engines: Arc<Engines>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) exports: Exports,
}

/// Where a component's functions are, found once.
pub(crate) enum Exports {
    Connector { about: ComponentExportIndex, calls: ConnectorCalls },
    Pattern { about: ComponentExportIndex, run: ComponentExportIndex },
    Policy { about: ComponentExportIndex, route: Option<ComponentExportIndex> },
    Proxy(ProxyPre<Guest>),
    Service(ServicePre<Guest>),
}

pub(crate) struct ConnectorCalls {
    check: ComponentExportIndex,
    read: ComponentExportIndex,
    act: ComponentExportIndex,
    webhook: ComponentExportIndex,
}

type Answer<T> = (Result<T, WitError>,);

impl Sandbox {
    /// What sealed code of this engine depends on; part of its name in the store, so that a new
    /// engine finds none of the old code.
    pub fn compatibility(&self, kind: EngineKind) -> String {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.engines.of(kind).engine.precompile_compatibility_hash().hash(&mut hasher);
        format!("{}-{:016x}", kind.as_str(), hasher.finish())
    }

    /// Checks the seal, loads the code and links it.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn load(&self, aot: SealedAot, surface: &Surface) -> Result<Program, LoadError> {
        link::check_imports(surface)?;
        let (engines, seal, kind) = (self.engines.clone(), self.seal.clone(), surface.engine());
        // Mapping tens of megabytes takes milliseconds, which a tokio worker does not have.
        let component = tokio::task::spawn_blocking(move || {
            let code = seal.open(&aot)?;
            #[expect(unsafe_code, reason = "the only way to load code without compiling it")]
            // SAFETY: the MAC of this very buffer was checked with a key that only this
            // installation has, so the bytes are what its own compiler wrote.
            unsafe { Component::deserialize(&engines.of(kind).engine, code) }.map_err(LoadError::Deserialize)
        })
        .await
        .map_err(|join| LoadError::Link(join.to_string()))??;
        self.link(&component, surface)
    }

    fn link(&self, component: &Component, surface: &Surface) -> Result<Program, LoadError> {
        let does_not_link = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
        let linker = &self.engines.of(surface.engine()).linker;
        let pre = linker.instantiate_pre(component).map_err(does_not_link)?;
        let exports = Exports::find(&pre, surface).map_err(does_not_link)?;
        Ok(Program { engines: self.engines.clone(), pre, exports })
    }
}

impl Exports {
    fn find(pre: &InstancePre<Guest>, surface: &Surface) -> wasmtime::Result<Self> {
        let function = |interface: &str, name: &str| export(pre.component(), surface, interface, name);
        Ok(match (surface.world, surface.http) {
            (World::Connector, _) => Self::Connector {
                about: function("about", "describe")?,
                calls: ConnectorCalls {
                    check: function("connector-calls", "check")?,
                    read: function("connector-calls", "read")?,
                    act: function("connector-calls", "act")?,
                    webhook: function("connector-calls", "webhook")?,
                },
            },
            (World::Pattern, _) => {
                Self::Pattern { about: function("about", "describe")?, run: function("pattern-calls", "run")? }
            }
            (World::Policy, _) => Self::Policy {
                about: function("about", "describe")?,
                route: surface.hooks.contains(&Hook::Routing).then(|| function("routing", "route")).transpose()?,
            },
            (World::Endpoint, Some(HttpVersion::P3)) => Self::Service(ServicePre::new(pre.clone())?),
            (World::Endpoint, _) => Self::Proxy(ProxyPre::new(pre.clone())?),
        })
    }
}

fn export(
    component: &Component,
    surface: &Surface,
    interface: &str,
    name: &str,
) -> wasmtime::Result<ComponentExportIndex> {
    let missing = || wasmtime::Error::msg(format!("`{interface}.{name}` is not exported"));
    let prefix = format!("sophia:plugin/{interface}@");
    let full = surface.exports.iter().find(|export| export.starts_with(&prefix)).ok_or_else(missing)?;
    let instance = component.get_export_index(None, full).ok_or_else(missing)?;
    component.get_export_index(Some(&instance), name).ok_or_else(missing)
}

impl Program {
    /// Tries a connection.
    pub async fn check(&self, call: Call) -> Done<()> {
        match self.connector() {
            Ok(calls) => self.answer(call, &calls.check, ()).await,
            Err(fault) => Done::fault(fault),
        }
    }

    /// Reads a page of a stream. Cursors are JSON text.
    pub async fn read(&self, call: Call, stream: &str, cursor: Option<&str>, limit: u32) -> Done<Page> {
        match self.connector() {
            Ok(calls) => {
                let most = call.limits.response;
                let done: Done<connector_calls::Page> = self.answer(call, &calls.read, (stream, cursor, limit)).await;
                done.within(most, |page| page.items.iter().map(String::len).sum()).map(Page::from)
            }
            Err(fault) => Done::fault(fault),
        }
    }

    /// Performs an action. Arguments and result are JSON text; whether the result is JSON is the
    /// caller's to check.
    pub async fn act(&self, call: Call, action: &str, arguments: &str) -> Done<String> {
        match self.connector() {
            Ok(calls) => {
                let most = call.limits.response;
                self.answer(call, &calls.act, (action, arguments)).await.within(most, String::len)
            }
            Err(fault) => Done::fault(fault),
        }
    }

    /// Hands a webhook to the connector.
    pub async fn webhook(&self, call: Call, request: WebhookRequest) -> Done<WebhookOutcome> {
        match self.connector() {
            Ok(calls) => {
                let most = call.limits.response;
                let request = connector_calls::WebhookRequest::from(request);
                let done: Done<connector_calls::WebhookOutcome> = self.answer(call, &calls.webhook, (request,)).await;
                let n_bytes = |outcome: &connector_calls::WebhookOutcome| {
                    outcome.reply.len() + outcome.events.iter().map(String::len).sum::<usize>()
                };
                done.within(most, n_bytes).map(WebhookOutcome::from)
            }
            Err(fault) => Done::fault(fault),
        }
    }

    /// Executes a pattern: one run. Its host calls go to the call's [`crate::RunPort`].
    pub async fn run_pattern(&self, call: Call, task: Task) -> Done<Outcome> {
        let Exports::Pattern { run, .. } = &self.exports else {
            return Done::fault(Fault::Contract("the plugin is no pattern".into()));
        };
        let most = call.limits.response;
        let done: Done<pattern_calls::Outcome> = self.answer(call, run, (pattern_calls::Task::from(task),)).await;
        done.within(most, |outcome| outcome.content.len()).map(Outcome::from)
    }

    /// Asks a routing policy. Its instance is taken apart after the answer.
    pub async fn route(&self, call: Call, request: RoutingRequest, candidates: Vec<Candidate>) -> Done<Decision> {
        let Exports::Policy { route: Some(route), .. } = &self.exports else {
            return Done::fault(Fault::Contract("the plugin exports no `routing`".into()));
        };
        let candidates: Vec<_> = candidates.into_iter().map(routing::Candidate::from).collect();
        let params = (routing::RoutingRequest::from(request), candidates);
        let (outcome, spent, store) = self.call_and_keep::<_, Answer<routing::Decision>>(call, route, params).await;
        self.engines.leftovers.drop_soon(store);
        answered((outcome, spent)).map(Decision::from)
    }

    fn connector(&self) -> Result<&ConnectorCalls, Fault> {
        match &self.exports {
            Exports::Connector { calls, .. } => Ok(calls),
            _ => Err(Fault::Contract("the plugin is no connector".into())),
        }
    }

    /// Calls a function that answers with the contract's `result`.
    async fn answer<P, T>(&self, call: Call, function: &ComponentExportIndex, params: P) -> Done<T>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        T: Lift + Send + Sync + 'static,
        WitError: Lift,
    {
        answered(self.call::<P, Answer<T>>(call, function, params).await)
    }

    /// One call in a fresh instance, from the empty store to the dropped one.
    ///
    /// Cancel-safe: dropping the future drops the store, which is never used again.
    pub(crate) async fn call<P, R>(
        &self,
        call: Call,
        function: &ComponentExportIndex,
        params: P,
    ) -> (Result<R, Fault>, crate::Spent)
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let (result, spent, _store) = self.call_and_keep(call, function, params).await;
        (result, spent)
    }

    /// The same, up to the store: all that is left to do with it is to drop it.
    async fn call_and_keep<P, R>(
        &self,
        call: Call,
        function: &ComponentExportIndex,
        params: P,
    ) -> (Result<R, Fault>, crate::Spent, Store<Guest>)
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let wall = call.limits.wall.0;
        let mut store = Guest::store(&self.engines, self.pre.engine(), call);
        inspector::watch(&mut store);
        let cpu = Cpu::default();
        let work = Metered::new(self.run(&mut store, function, params), &cpu);
        let timed = tokio::time::timeout(wall, work).await;
        let result = match timed {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err((error, stage))) => Err(classify(&error, stage, store.data())),
            Err(_) => Err(Fault::Limit(LimitKind::Wall)),
        };
        inspector::look(StoreContextMut::from(&mut store), Moment::BeforeDrop);
        store.data_mut().close_log();
        let spent = crate::Spent { cpu: cpu.so_far(), ..store.data().spent() };
        (result, spent, store)
    }

    async fn run<P, R>(
        &self,
        store: &mut Store<Guest>,
        function: &ComponentExportIndex,
        params: P,
    ) -> Result<R, (wasmtime::Error, Stage)>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let instance = self.pre.instantiate_async(&mut *store).await.map_err(|error| (error, Stage::Instantiate))?;
        let function = typed(&instance, store, function).map_err(|error| (error, Stage::Instantiate))?;
        function.call_async(store, params).await.map_err(|error| (error, Stage::Run))
    }
}

fn answered<T>((outcome, spent): (Result<Answer<T>, Fault>, crate::Spent)) -> Done<T> {
    Done { outcome: outcome.map(|(answer,)| answer.map_err(PluginError::from)), spent }
}

fn typed<P, R>(
    instance: &Instance,
    store: &mut Store<Guest>,
    function: &ComponentExportIndex,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    instance.get_typed_func(store, function)
}

impl<T> Done<T> {
    /// Ended before a guest ran.
    fn fault(fault: Fault) -> Self {
        Self { outcome: Err(fault), spent: crate::Spent::default() }
    }

    /// A fault instead, where the answer is larger than the call's limit. What crosses the boundary
    /// is bounded before; that bound is the largest of several, and this one is exact.
    fn within(self, most: ByteSize, n_bytes: impl FnOnce(&T) -> usize) -> Self {
        let is_over = matches!(&self.outcome, Ok(Ok(answer)) if n_bytes(answer) > most.as_usize());
        let outcome = if is_over { Err(Fault::Limit(LimitKind::Response)) } else { self.outcome };
        Self { outcome, ..self }
    }

    fn map<U>(self, into: impl FnOnce(T) -> U) -> Done<U> {
        Done { outcome: self.outcome.map(|answer| answer.map(into)), spent: self.spent }
    }
}
