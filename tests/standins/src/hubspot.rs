//! HubSpot's CRM API as far as Sophia's connector uses it: contacts, companies, deals and owners.
//!
//! It keeps records and refuses what HubSpot refuses. Each rule names its page; `docs` stands for
//! <https://developers.hubspot.com/docs>. It does not know scopes, associations, archived records
//! or custom properties, and finds a new record at once where HubSpot's index takes a moment.

mod fault;
mod filter;
mod portal;
mod rate;
mod refusal;
mod routes;
mod search;
mod seed;
mod webhook;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::Response;

pub use fault::{Fault, Gate};
pub use portal::{Kind, Owner, Portal, Record};
pub use rate::{Rates, RetryAfter};
pub use seed::{Batch, Seed};
pub use webhook::signed_headers;

use crate::{Answer, Authority, Clock, Seen, Site, SiteError, Tls};

/// The name that the certificate is for.
pub const HOST: &str = "api.hubapi.com";

/// How a portal is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The access tokens that are let in, private apps' or OAuth's: HubSpot treats both alike.
    pub tokens: Vec<String>,
    /// What is there from the start.
    pub seed: Seed,
    /// What time it is there.
    pub clock: Clock,
    /// How much a token may ask.
    pub rates: Rates,
    /// Whether it speaks TLS as [`HOST`]. Without, tests of the stand-in itself need no trust store.
    pub tls: bool,
}

/// A running portal. Stops when dropped.
pub struct HubSpot {
    site: Site,
    authority_pem: String,
    shared: Arc<Shared>,
}

struct Shared {
    portal: Mutex<Portal>,
    rates: Mutex<rate::Windows>,
    faults: Mutex<Faults>,
    alteration: Mutex<Option<Alteration>>,
    options: Options,
}

/// Changes a request before it is looked at.
type Alteration = Box<dyn FnMut(&mut Seen) + Send>;

#[derive(Default)]
struct Faults {
    next: VecDeque<Fault>,
    always: Option<Fault>,
}

impl Options {
    /// A portal that lets one token in, with HubSpot's own limits, TLS and the machine's time.
    pub fn for_token(token: &str) -> Self {
        Self {
            tokens: vec![token.to_owned()],
            seed: Seed::small(),
            clock: Clock::System,
            rates: Rates::default(),
            tls: true,
        }
    }
}

impl HubSpot {
    /// Starts one on the current tokio runtime.
    pub async fn start(options: Options) -> Result<Self, SiteError> {
        let authority = Authority::new()?;
        let tls = if options.tls { Tls::On(authority.server_config(HOST)?.into()) } else { Tls::Off };
        let shared = Arc::new(Shared {
            portal: Mutex::new(options.seed.portal()),
            rates: Mutex::default(),
            faults: Mutex::default(),
            alteration: Mutex::default(),
            options,
        });
        let answering = Arc::clone(&shared);
        let site = Site::start(tls, move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        })
        .await?;
        Ok(Self { site, authority_pem: authority.pem(), shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.site.address()
    }

    /// The certificate authority to trust, PEM.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The portal's clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.options.clock
    }

    /// The portal's records, to look at or to change behind the API's back.
    pub fn portal(&self) -> MutexGuard<'_, Portal> {
        lock(&self.shared.portal)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.site.seen()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.site.forget();
    }

    /// Answers the next request that has no fault yet with this one.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.shared.faults).next.push_back(fault);
    }

    /// Answers every request with this fault, until [`HubSpot::recover`].
    pub fn fail_always(&self, fault: Fault) {
        lock(&self.shared.faults).always = Some(fault);
    }

    /// Changes every request before it is served, until [`HubSpot::recover`]. What the portal sees
    /// then is what a broken client would have sent: a test that still passes tests nothing.
    pub fn alter_requests(&self, alteration: impl FnMut(&mut Seen) + Send + 'static) {
        *lock(&self.shared.alteration) = Some(Box::new(alteration));
    }

    /// Ends all faults and alterations.
    pub fn recover(&self) {
        *lock(&self.shared.faults) = Faults::default();
        *lock(&self.shared.alteration) = None;
    }
}

impl Shared {
    async fn answer(&self, mut request: Seen) -> Answer {
        if let Some(alteration) = lock(&self.alteration).as_mut() {
            alteration(&mut request);
        }
        let fault = {
            let mut faults = lock(&self.faults);
            faults.next.pop_front().or_else(|| faults.always.clone())
        };
        match fault {
            None => Answer::Whole(self.served(&request)),
            Some(fault) => fault.answer(&request, || self.served(&request)).await,
        }
    }

    /// What the API answers: authentication, then rates, then the route.
    fn served(&self, request: &Seen) -> Response<Bytes> {
        let token = match routes::bearer(request, &self.options.tokens) {
            Ok(token) => token,
            Err(refusal) => return refusal.into_response(),
        };
        let quota = routes::quota(request);
        let now = self.options.clock.now();
        if let Err(refusal) = lock(&self.rates).take(&self.options.rates, token, quota, now) {
            return refusal.into_response();
        }
        let answered = routes::answer(request, &mut lock(&self.portal), now);
        let mut response = answered.unwrap_or_else(refusal::Refusal::into_response);
        lock(&self.rates).stamp(&self.options.rates, token, quota, now, response.headers_mut());
        response
    }
}

/// A lock whose holder panicked: a test that failed, and nothing else will be believed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
