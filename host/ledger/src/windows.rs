use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use sophia_domain::{ConnectionName, PluginName, Rate, TenantId};

use crate::{RateWindow, window::Places};

/// All windows of this node. Made once at boot; cheap to clone, the clones share them.
///
/// A window lives as long as somebody holds it, so that it outlives a change of the version, its
/// grants or its secrets, and is gone with the connection.
#[derive(Debug, Clone, Default)]
pub struct RateWindows(Arc<Mutex<HashMap<RateKey, Weak<Places>>>>);

/// Whose rate it is: a credential, by the manifest's name for it, of one account at a vendor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RateKey {
    /// Whose connection it is.
    pub tenant: TenantId,
    /// The plugin.
    pub plugin: PluginName,
    /// The account.
    pub connection: ConnectionName,
    /// The manifest's name for the credential.
    pub credential: String,
}

impl RateWindows {
    /// The window of a credential: the one in use, with what was used of it, or a fresh one.
    pub fn window(&self, key: RateKey, rate: Rate) -> RateWindow {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = windows.get(&key).and_then(Weak::upgrade).unwrap_or_default();
        windows.retain(|_, places| places.strong_count() > 0);
        windows.insert(key, Arc::downgrade(&places));
        RateWindow::new(rate, places)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn key(connection: &str) -> RateKey {
        RateKey {
            tenant: TenantId::main(),
            plugin: "hubspot".parse().unwrap(),
            connection: connection.parse().unwrap(),
            credential: "token".into(),
        }
    }

    #[test]
    fn a_window_is_shared_by_name_and_gone_with_its_last_holder() {
        let (windows, rate, now) = (RateWindows::default(), "1/1h".parse().unwrap(), Instant::now());
        let first = windows.window(key("a"), rate);
        assert!(first.take(now, now).is_ok());
        let again = windows.window(key("a"), rate);
        assert!(again.take(now, now).is_err());
        assert!(windows.window(key("b"), rate).take(now, now).is_ok());

        drop((first, again));
        assert!(windows.window(key("a"), rate).take(now, now).is_ok());
        assert_eq!(windows.0.lock().unwrap().len(), 1);
    }
}
