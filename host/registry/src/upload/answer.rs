use semver::Version as Semver;
use serde::{Deserialize, Serialize};
use sophia_domain::{Digest, PluginName, World};

use super::{StepTime, Steps, keep::Judged};
use crate::{State, Version};

/// What came of an upload or a grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uploaded {
    /// The plugin.
    pub name: PluginName,
    /// The version.
    pub digest: Digest,
    /// What the version calls itself.
    pub version: Semver,
    /// The world it implements.
    pub world: World,
    /// `live`, or `pending` while asks are undecided.
    pub state: State,
    /// The version that answered until now, or still does while this one is pending; none where
    /// there is none or it is this one.
    pub previous: Option<Digest>,
    /// All that the version asks for.
    pub asks: Vec<String>,
    /// Asks that are not granted: undecided and declined ones.
    pub ungranted: Vec<String>,
    /// Asks that the previous version does not have.
    pub added: Vec<String>,
    /// Asks of the previous version that this one does not have.
    pub removed: Vec<String>,
    /// The steps and their times.
    pub steps: Vec<StepTime>,
    /// What to do now.
    pub next: String,
}

impl Uploaded {
    pub(crate) fn of(version: &Version, judged: Judged, steps: Steps) -> Self {
        let state = if judged.is_pending() { State::Pending } else { State::Live };
        Self {
            name: version.name.clone(),
            digest: version.digest,
            version: version.semver.clone(),
            world: version.world,
            state,
            previous: judged.running.filter(|running| *running != version.digest),
            asks: judged.diff.asks,
            ungranted: judged.diff.ungranted,
            added: judged.diff.added,
            removed: judged.diff.removed,
            steps: steps.into_times(),
            next: next(version, state),
        }
    }
}

fn next(version: &Version, state: State) -> String {
    let name = &version.name;
    if state == State::Pending {
        return format!("look at what it asks for, then allow it: sophia plugin grant {name}");
    }
    match version.world {
        World::Endpoint => format!("call it at /x/{name}/"),
        World::Connector => {
            format!("give it an account: sophia connection set {name} NAME, then: sophia connector check {name} NAME")
        }
        World::Policy => format!("ask it: sophia policy ask {name}"),
        World::Pattern => format!("run it: sophia swarm run {name} --arguments @FILE"),
    }
}
