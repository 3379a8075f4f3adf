use http::Method;
use sophia_domain::{RequestPattern, Scope};
use sophia_ledger::RateWindow;
use sophia_vault::{Armed, Injector};
use url::Url;

use crate::EgressError;

/// What a plugin may send to where, and with which credentials. One per connection or plugin,
/// shared by its calls. The default lets nothing through.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// The plugin's key: what the manifest asks for.
    pub asked: Scope,
    /// The operator's key: what was granted.
    pub granted: Scope,
    /// The credentials that were bound. Where several would be chosen by themselves, the first is.
    pub credentials: Vec<Credential>,
}

/// A secret and the rule for injecting it.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The manifest's name for it.
    pub name: String,
    /// Where the manifest asks to use it. The operator's scope rests with the secret.
    pub scope: Scope,
    /// Whether it is used for every request in its scope, or only where the plugin names it.
    pub auto: bool,
    /// What puts the secret into a request.
    pub injector: Injector,
    /// How often it may be used, where the manifest says so. Shared by the calls of a connection.
    pub rate: Option<RateWindow>,
}

/// Which of the two keys a request lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingKey {
    /// The manifest does not ask for it.
    Ask,
    /// The operator did not grant it.
    Grant,
}

impl MissingKey {
    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Ask => "the manifest's `[egress] allow` does not ask for it",
            Self::Grant => "the operator did not grant it",
        }
    }
}

impl Rights {
    /// Both keys, or the one that is missing.
    pub fn permit(&self, method: &Method, url: &Url) -> Result<(), MissingKey> {
        if !self.asked.allows(method, url) {
            return Err(MissingKey::Ask);
        }
        if !self.granted.allows(method, url) {
            return Err(MissingKey::Grant);
        }
        Ok(())
    }

    /// The credential for a request that both keys permit. One that the plugin names must apply;
    /// without a name it is the first that is used by itself and applies. Where the manifest would
    /// have one used and no secret's scope allows it, the request is refused: sent without, it
    /// would come back as a refusal of the vendor's that hides the cause.
    pub(crate) fn choose(
        &self,
        named: Option<&str>,
        method: &Method,
        url: &Url,
    ) -> Result<Option<(&Credential, Armed)>, EgressError> {
        let Some(name) = named else { return self.choose_auto(method, url) };
        let credential = self.find(name)?;
        if !credential.scope.allows(method, url) {
            return Err(EgressError::CredentialScope { name: name.to_owned() });
        }
        let armed = credential.arm(method, url)?;
        armed.map(|armed| Some((credential, armed))).ok_or_else(|| EgressError::SecretScope { name: name.to_owned() })
    }

    /// After a redirect: the named credential where it still applies, or as if none had been named.
    pub(crate) fn choose_again(
        &self,
        named: Option<&str>,
        method: &Method,
        url: &Url,
    ) -> Result<Option<(&Credential, Armed)>, EgressError> {
        match named.map(|name| self.choose(Some(name), method, url)) {
            None | Some(Err(EgressError::CredentialScope { .. })) => self.choose_auto(method, url),
            Some(chosen) => chosen,
        }
    }

    fn choose_auto(&self, method: &Method, url: &Url) -> Result<Option<(&Credential, Armed)>, EgressError> {
        let wanted = |credential: &&Credential| credential.auto && credential.scope.allows(method, url);
        let mut refused = Ok(None);
        for credential in self.credentials.iter().filter(wanted) {
            match credential.arm(method, url)? {
                Some(armed) => return Ok(Some((credential, armed))),
                None => refused = Err(EgressError::SecretScope { name: credential.name.clone() }),
            }
        }
        refused
    }

    fn find(&self, name: &str) -> Result<&Credential, EgressError> {
        let found = self.credentials.iter().find(|credential| credential.name == name);
        found.ok_or_else(|| EgressError::UnknownCredential { name: name.to_owned() })
    }
}

impl Credential {
    /// Whether it belongs to the place a request goes to: same scheme, host and port, whatever
    /// the method and path. There the plugin must not authenticate itself.
    pub(crate) fn is_at_origin(&self, url: &Url) -> bool {
        self.scope.patterns().iter().any(|pattern| is_same_origin(pattern, url))
    }

    /// None where the operator's scope does not allow the request. The manifest's is looked at first.
    fn arm(&self, method: &Method, url: &Url) -> Result<Option<Armed>, EgressError> {
        self.injector.arm(method, url).map_err(|source| EgressError::Credential { name: self.name.clone(), source })
    }
}

/// Whether a URL has the scheme, host and port that a pattern names. A pattern whose origin
/// cannot be told apart from its path counts as the same.
fn is_same_origin(pattern: &RequestPattern, url: &Url) -> bool {
    let text = pattern.as_str();
    let url_text = text.rsplit_once(' ').map_or(text, |(_, url)| url);
    let origin = url_text.split_once("://").map(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        format!("{scheme}://{host}/*")
    });
    match origin.map(|origin| origin.parse::<RequestPattern>()) {
        Some(Ok(origin)) => origin.matches(&Method::GET, url),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_both_keys_and_has_none_by_default() {
        let scope = |text: &str| Scope::new(vec![text.parse().unwrap()]);
        let url = Url::parse("https://api.example.com/v1/x").unwrap();
        let (wide, narrow) = (scope("https://api.example.com/*"), scope("https://api.example.com/v2/*"));
        let permit = |asked: &Scope, granted: &Scope| {
            Rights { asked: asked.clone(), granted: granted.clone(), credentials: Vec::new() }
                .permit(&Method::GET, &url)
        };
        assert_eq!(permit(&wide, &wide), Ok(()));
        assert_eq!(permit(&narrow, &wide), Err(MissingKey::Ask));
        assert_eq!(permit(&wide, &narrow), Err(MissingKey::Grant));
        assert_eq!(Rights::default().permit(&Method::GET, &url), Err(MissingKey::Ask));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = Url::parse("https://api.example.com/other?x=1").unwrap();
        for (pattern, expected) in [
            ("POST https://api.example.com/v1/*", true),
            ("https://*.example.com/v1", true),
            ("https://api.example.com:443/v1", true),
            ("https://api.example.com:8443/v1", false),
            ("http://api.example.com/v1", false),
            ("https://api.example.net/v1", false),
        ] {
            assert_eq!(is_same_origin(&pattern.parse().unwrap(), &url), expected, "{pattern}");
        }
    }
}
