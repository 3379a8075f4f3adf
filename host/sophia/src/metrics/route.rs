/// A route's name, as metrics and access lines have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    ConnectorCheck,
    ConnectorRead,
    ConnectorAct,
    ConnectorWebhook,
    PolicyAsk,
    Endpoint,
    ModelsChat,
    ModelsEmbed,
    ModelsList,
    Plugins,
    Connections,
    Secrets,
    Keys,
    Costs,
    Budgets,
    Limits,
    Swarms,
    Runs,
    Config,
    Metrics,
    Health,
    /// No route at all.
    Unknown,
}

impl Route {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 22] = [
        Self::ConnectorCheck,
        Self::ConnectorRead,
        Self::ConnectorAct,
        Self::ConnectorWebhook,
        Self::PolicyAsk,
        Self::Endpoint,
        Self::ModelsChat,
        Self::ModelsEmbed,
        Self::ModelsList,
        Self::Plugins,
        Self::Connections,
        Self::Secrets,
        Self::Keys,
        Self::Costs,
        Self::Budgets,
        Self::Limits,
        Self::Swarms,
        Self::Runs,
        Self::Config,
        Self::Metrics,
        Self::Health,
        Self::Unknown,
    ];

    /// Which part of the control API a path belongs to.
    pub(crate) fn of_control(path: &str) -> Self {
        match path {
            "/live" | "/ready" | "/health" => return Self::Health,
            "/metrics" => return Self::Metrics,
            "/config" => return Self::Config,
            _ => {}
        }
        match path.strip_prefix("/v1/").map(|rest| rest.split('/').next().unwrap_or_default()) {
            Some("plugins") => Self::Plugins,
            Some("connections") => Self::Connections,
            Some("secrets") => Self::Secrets,
            Some("keys" | "permissions") => Self::Keys,
            Some("costs") => Self::Costs,
            Some("budgets") => Self::Budgets,
            Some("limits") => Self::Limits,
            Some("swarms") => Self::Swarms,
            Some("runs") => Self::Runs,
            _ => Self::Unknown,
        }
    }

    /// Whether it tells how the node is, and nothing of what is in it.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Config | Self::Metrics | Self::Health)
    }

    /// The name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ConnectorCheck => "connector.check",
            Self::ConnectorRead => "connector.read",
            Self::ConnectorAct => "connector.act",
            Self::ConnectorWebhook => "connector.webhook",
            Self::PolicyAsk => "policy.ask",
            Self::Endpoint => "endpoint",
            Self::ModelsChat => "models.chat",
            Self::ModelsEmbed => "models.embed",
            Self::ModelsList => "models.list",
            Self::Plugins => "plugins",
            Self::Connections => "connections",
            Self::Secrets => "secrets",
            Self::Keys => "keys",
            Self::Costs => "costs",
            Self::Budgets => "budgets",
            Self::Limits => "limits",
            Self::Swarms => "swarms",
            Self::Runs => "runs",
            Self::Config => "config",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_list() {
        for (place, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, place, "{}", route.as_str());
        }
    }
}
