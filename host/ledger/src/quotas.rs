//! What a tenant and a key may use of this node in a time: requests, calls at once, tokens, money.
//!
//! A call takes what it wants from every quota that counts it, or from none, before anything is
//! done for it: requests and places when it begins, tokens and money when a model is about to be
//! asked. What was taken is settled when the call ends, and given back when it is dropped.
//!
//! The windows live in this process ([`log`] says what they promise). A restart forgets requests;
//! tokens and money are read from the charges again ([`seeds`]). Where several nodes share windows,
//! each uses a slice that it leased ([`slices`], [`shared`]).

mod counters;
mod gate;
mod log;
mod meter;
mod pass;
mod rules;
mod seeds;
mod shared;
mod slices;
mod view;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use arc_swap::ArcSwap;
use sophia_domain::{KeyId, Quota, QuotaReached, RouteClass, Span, TenantId, Usd};
use sophia_store::{Store, StoreError, ledger::BudgetScope, limits::LimitRow};
use tokio::{sync::Mutex, time::timeout};

use counters::Counters;
use gate::{Gate, Gates, Tried};
use log::Micros;
use meter::{Demand, Fit};
use rules::Rules;
use seeds::Seeds;
use shared::PATIENCE;

pub use counters::QuotaTotals;
pub use pass::{Pass, Standing};
pub use rules::QuotaDefaults;
pub use shared::{InProcess, SharedLost, SharedWindows};
pub use slices::{Leased, SliceAsk, Slices, TERM};
pub use view::{QuotaUse, ScopeQuotas};

/// The quotas of a node. Opened once at boot; cheap to clone, the clones share them.
#[derive(Debug, Clone)]
pub struct Quotas(Arc<Inner>);

/// What quotas and passes share.
#[derive(Debug)]
pub(crate) struct Inner {
    store: Store,
    rules: ArcSwap<Rules>,
    /// By their scopes' hashes, so that a new key copies a small map and nobody waits for it.
    gates: Box<[ArcSwap<GateMap>]>,
    hasher: RandomState,
    pub(crate) counters: Counters,
    began: Instant,
    shared: Option<(Arc<dyn SharedWindows>, String)>,
    /// One change at a time, so that the rules are never older than what is kept.
    turns: Mutex<()>,
}

type GateMap = HashMap<BudgetScope, Arc<Gate>>;

/// Why a call may not begin, or not ask a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A quota has no room.
    #[error("{0}")]
    Reached(Box<QuotaReached>),
    /// What all nodes share cannot be reached, and this quota refuses then.
    #[error("the limit {0} cannot be counted now")]
    Lost(Quota),
    /// Other calls of this node took every slice that was leased for this one.
    #[error("the limits are too much in demand to be counted now")]
    Contended,
}

/// Why quotas were not set.
#[derive(Debug, thiserror::Error)]
pub enum SetQuotasError {
    /// More than are looked at in each request.
    #[error("a tenant or a key has at most {} limits", Quota::MAX_OF_SCOPE)]
    TooMany,
    /// Two that count the same.
    #[error("`{0}` counts what another one counts in the same time")]
    Twice(Quota),
    /// The store failed. Nothing was changed.
    #[error("the limits cannot be read or written")]
    Store(#[from] StoreError),
    /// The node stops.
    #[error("the limits are closed")]
    Closed,
}

/// Where this process's clock begins: before it lies the longest window.
const EPOCH: Micros = 64 * 24 * 3_600 * 1_000_000;

/// Maps of gates: with so many, a thousand keys are sixteen in each.
const MAPS: usize = 64;

/// How often a call asks for a slice that others take before it.
const MAX_ASKS: usize = 16;

impl Quotas {
    /// Reads what is set, and what was used of models lately. For a node alone.
    pub async fn open(store: Store, defaults: QuotaDefaults) -> Result<Self, StoreError> {
        Self::open_with(store, defaults, None).await
    }

    /// The same for a node of this name that shares its windows with others; each start has another
    /// name. Somebody calls [`Quotas::renew`] every half [`TERM`] then.
    pub async fn open_shared(
        store: Store,
        defaults: QuotaDefaults,
        shared: Arc<dyn SharedWindows>,
        node: &str,
    ) -> Result<Self, StoreError> {
        Self::open_with(store, defaults, Some((shared, node.to_owned()))).await
    }

    async fn open_with(
        store: Store,
        defaults: QuotaDefaults,
        shared: Option<(Arc<dyn SharedWindows>, String)>,
    ) -> Result<Self, StoreError> {
        let quotas = Self(Arc::new(Inner {
            store,
            rules: ArcSwap::from_pointee(Rules { defaults, ..Rules::default() }),
            gates: (0..MAPS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            counters: Counters::default(),
            began: Instant::now(),
            shared,
            turns: Mutex::default(),
        }));
        quotas.reload().await?;
        Ok(quotas)
    }

    /// Lets a call begin, counted against its tenant's and its key's quotas; none where nothing
    /// limits it. Waits for nothing on a node alone, and elsewhere for a slice at most. Dropping the
    /// future takes nothing.
    pub async fn enter(&self, tenant: &TenantId, key: &KeyId, class: RouteClass) -> Result<Option<Pass>, Refused> {
        self.take(tenant, key, Demand::Enter(class)).await
    }

    /// Holds the most that a call of a model may use, in every quota that counts it or in none.
    pub(crate) async fn hold(
        &self,
        tenant: &TenantId,
        key: &KeyId,
        tokens: u64,
        cost: Usd,
    ) -> Result<Option<Pass>, Refused> {
        self.take(tenant, key, Demand::Spend { tokens, cost }).await
    }

    /// Sets the quotas of a tenant or key in place of those before; with none the defaults hold.
    /// Durable when acknowledged, and holds from then on. A quota that counts the same as one before
    /// keeps what was used; another one of tokens or money begins with what was used of models
    /// lately. Model calls that are under way are not counted by it.
    pub async fn set(&self, scope: BudgetScope, quotas: Vec<Quota>) -> Result<(), SetQuotasError> {
        check(&quotas)?;
        let own = self.clone();
        // Whoever asked may leave between the row and the rules.
        let set = tokio::spawn(async move {
            let turn = own.0.turns.lock().await;
            own.0.store.set_limits(&LimitRow { scope, limits: quotas }).await?;
            drop(turn);
            own.reload().await.map_err(SetQuotasError::Store)
        });
        set.await.unwrap_or(Err(SetQuotasError::Closed))
    }

    /// Takes up what the store says: after a change, on this node or another.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let _turn = self.0.turns.lock().await;
        let set = self.0.store.limits().await?.into_iter().map(|row| (row.scope, row.limits)).collect();
        let before = self.0.rules.load_full();
        let rules = Rules { version: before.version + 1, defaults: before.defaults.clone(), set };
        let seeds = self.0.seeds(&before, &rules).await?;
        // First those that begin with something, so that nothing is let through in between.
        for scope in seeds.scopes().filter(|scope| rules.limit(scope)) {
            let gate = self.0.gate(scope);
            let mut state = gate.state();
            // What was not limited before was not counted meanwhile.
            if !before.limit(scope) {
                state.meters.clear();
            }
            state.follow(rules.version, rules.of(scope), |meter| seeds.sow(scope, meter));
        }
        self.0.rules.store(Arc::new(rules));
        Ok(())
    }

    /// Keeps the leases for what is held, and gives the rest back, before they end. On a node alone
    /// there is nothing to do.
    pub async fn renew(&self) {
        let gates = self.0.gates.iter().flat_map(|map| map.load().values().cloned().collect::<Vec<_>>());
        for gate in gates.collect::<Vec<_>>() {
            let now = self.0.now();
            let leased: Vec<u64> =
                gate.state().meters.iter().filter(|meter| meter.has_lease(now)).map(|meter| meter.id).collect();
            for meter in leased {
                // What is lost is noted, and asked for again.
                let _ = self.0.lease(&gate, meter, 0).await;
            }
        }
    }

    /// What quotas came to since this process began.
    pub fn totals(&self) -> [QuotaTotals; 4] {
        self.0.counters.totals()
    }

    /// Calls that were refused because what all nodes share could not be reached.
    pub fn n_lost(&self) -> u64 {
        self.0.counters.lost.get()
    }

    async fn take(&self, tenant: &TenantId, key: &KeyId, demand: Demand) -> Result<Option<Pass>, Refused> {
        let Some(gates) = self.0.gates_of(tenant, key) else { return Ok(None) };
        for _ in 0..MAX_ASKS {
            let tried = gate::take(&gates, &self.0.rules.load(), demand, self.0.now(), self.0.is_shared());
            match tried {
                Tried::Taken(pieces) => return Ok(Some(Pass::new(self.0.clone(), gates, demand, pieces))),
                Tried::Reached(reached) => return Err(self.0.refuse(reached)),
                Tried::Lost(quota) => return Err(self.0.lose(quota)),
                Tried::Unleased { gate, meter, wants } => {
                    let Some(Some(gate)) = gates.get(gate) else { continue };
                    if let Some(reached) = self.0.lease(gate, meter, wants).await {
                        return Err(self.0.refuse(reached));
                    }
                }
            }
        }
        Err(Refused::Contended)
    }
}

impl Inner {
    /// Microseconds on this process's clock, which never goes back.
    pub(crate) fn now(&self) -> Micros {
        EPOCH.saturating_add(meter::micros(self.began.elapsed()))
    }

    /// Whether other nodes use the same windows.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The gates that a call goes through; none where nothing limits it.
    fn gates_of(&self, tenant: &TenantId, key: &KeyId) -> Option<Gates> {
        let rules = self.rules.load();
        if rules.are_none() {
            return None;
        }
        let scopes = [BudgetScope::Tenant(tenant.clone()), BudgetScope::Key(tenant.clone(), key.clone())];
        let gates = scopes.map(|scope| rules.limit(&scope).then(|| self.gate(&scope)));
        gates.iter().any(Option::is_some).then_some(gates)
    }

    /// The gate of a scope; made where there is none.
    fn gate(&self, scope: &BudgetScope) -> Arc<Gate> {
        let place = usize::try_from(self.hasher.hash_one(scope) % MAPS as u64).unwrap_or(0);
        let Some(map) = self.gates.get(place) else { return Arc::new(Gate::new(scope.clone())) };
        if let Some(gate) = map.load().get(scope) {
            return gate.clone();
        }
        let new = Arc::new(Gate::new(scope.clone()));
        map.rcu(|gates| {
            let mut gates = HashMap::clone(gates);
            gates.entry(scope.clone()).or_insert_with(|| new.clone());
            gates
        });
        map.load().get(scope).cloned().unwrap_or(new)
    }

    /// What was used of models by those whose quotas of it are new.
    async fn seeds(&self, before: &Rules, rules: &Rules) -> Result<Seeds, StoreError> {
        let mut seeds = Seeds::default();
        if self.is_shared() {
            return Ok(seeds);
        }
        let is_first = before.version == 0;
        let (windows, now) = (rules.windows(), self.now());
        let changed = |scope: &BudgetScope| is_first || before.set.get(scope) != rules.set.get(scope);
        let mut tenants: Vec<TenantId> =
            rules.set.keys().filter(|scope| changed(scope)).map(|scope| scope.tenant().clone()).collect();
        let has_default_windows = !Rules { defaults: rules.defaults.clone(), ..Rules::default() }.windows().is_empty();
        if is_first && has_default_windows {
            tenants.extend(self.store.charged_tenants().await?);
        }
        tenants.sort_unstable();
        tenants.dedup();
        for tenant in tenants {
            seeds.read(&self.store, &tenant, &windows, now).await?;
        }
        Ok(seeds)
    }

    /// Leases a slice for a meter; gives the refusal where there is none.
    async fn lease(&self, gate: &Gate, id: u64, wants: u64) -> Option<QuotaReached> {
        let (port, node) = self.shared.as_ref()?;
        // It is never closed.
        let _turn = gate.asking.acquire().await.ok()?;
        let (asked, ask, name) = {
            let (mut state, now) = (gate.state(), self.now());
            let meter = state.meter(id)?;
            // Somebody else may have leased meanwhile.
            if wants > 0 && meter.fit(wants, now, true) != Fit::Unleased {
                return None;
            }
            (now, meter.ask(node, wants), window_name(&gate.scope, &meter.quota))
        };
        let answer = timeout(PATIENCE, port.lease(&name, &ask)).await.unwrap_or(Err(SharedLost));
        let mut state = gate.state();
        let meter = state.meter(id)?;
        match answer {
            Ok(leased) => {
                meter.leased(&ask, asked, &leased);
                let wait = leased.retry_after.map(|wait| gate::seconds(meter::micros(wait)).max(1));
                wait.map(|wait| gate::told(&gate.scope, meter.quota, (leased.left, wants), Some(wait)))
            }
            Err(error) => {
                tracing::warn!(scope = %gate.scope, quota = %meter.quota, %error, "a limit is not shared for now");
                meter.lost(self.now());
                None
            }
        }
    }

    fn refuse(&self, reached: QuotaReached) -> Refused {
        self.counters.refused(reached.limit.kind).add(1);
        Refused::Reached(Box::new(reached))
    }

    fn lose(&self, quota: Quota) -> Refused {
        self.counters.lost.add(1);
        Refused::Lost(quota)
    }
}

fn check(quotas: &[Quota]) -> Result<(), SetQuotasError> {
    if quotas.len() > Quota::MAX_OF_SCOPE {
        return Err(SetQuotasError::TooMany);
    }
    let twice =
        quotas.iter().enumerate().find(|(place, quota)| quotas.iter().take(*place).any(|one| one.counts_as(quota)));
    twice.map_or(Ok(()), |(_, quota)| Err(SetQuotasError::Twice(*quota)))
}

/// What a window is called where all nodes find it. Not by its amount, which may change.
fn window_name(scope: &BudgetScope, quota: &Quota) -> String {
    let (tenant, kind, class) = (scope.tenant(), quota.kind.as_str(), quota.class.map_or("all", RouteClass::as_str));
    let per = quota.per.map(|Span(per)| per.as_secs()).unwrap_or_default();
    match scope {
        BudgetScope::Key(_, key) => format!("{tenant}/key/{class}.{kind}/{per}/{key}"),
        _ => format!("{tenant}/tenant/{class}.{kind}/{per}"),
    }
}

#[cfg(test)]
mod tests;
