use super::*;
use crate::{Rights, Role};
use Environment::{Development, Production, Staging};

/// `permissions in environments for resources`, commas between; `;` between grants.
fn may(text: &str) -> May {
    May::of(grants(text))
}

fn grants(text: &str) -> Vec<Grant> {
    let list = |words: &str| words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let grant = |text: &str| {
        let (permissions, rest) = text.split_once(" in ").unwrap();
        let (environments, resources) = rest.split_once(" for").unwrap();
        serde_json::from_value(serde_json::json!({
            "permissions": list(permissions.trim()),
            "environments": list(environments.trim()),
            "resources": list(resources.trim()),
        }))
    };
    text.split(';').filter(|text| !text.trim().is_empty()).map(|text| grant(text).unwrap()).collect()
}

fn ask<'a>(permission: &str, environment: Environment, resource: &'a str) -> Ask<'a> {
    Ask { permission: permission.parse().unwrap(), environment, resource: Resource::parse(resource).unwrap() }
}

#[test]
fn a_grant_allows_what_it_names_and_nothing_else() {
    let hubspot = "agent.execute in production for plugin:hubspot";
    let (no, elsewhere, other) = (Err(Refused::Permission), Err(Refused::Environment), Err(Refused::Resource));
    for (grants, permission, environment, resource, expected) in [
        (hubspot, "agent.execute", Production, "plugin:hubspot", Ok(())),
        (hubspot, "agent.execute", Production, "plugin:hubspot2", other),
        (hubspot, "agent.execute", Production, "plugin:hub", other),
        (hubspot, "agent.execute", Production, "connection:hubspot/a", other),
        (hubspot, "agent.execute", Staging, "plugin:hubspot", elsewhere),
        (hubspot, "agent.create", Production, "plugin:hubspot", no),
        // What is empty allows nothing.
        ("", "sophia.read", Development, "plugin:a", no),
        ("sophia.read in * for", "sophia.read", Development, "plugin:a", other),
        ("sophia.read in  for *", "sophia.read", Development, "plugin:a", elsewhere),
        (" in * for *", "sophia.read", Development, "plugin:a", no),
        // One grant must do; two halves make none.
        ("sophia.read in * for plugin:a; secret.read in * for plugin:b", "secret.read", Staging, "plugin:a", other),
        ("sophia.read in staging for *; secret.read in * for *", "sophia.read", Production, "plugin:a", elsewhere),
        ("secret.read in * for secret:crm-*", "secret.read", Production, "secret:crm-x", Ok(())),
        ("secret.read in * for secret:crm-*", "secret.write", Production, "secret:crm-x", no),
        ("sophia.read in * for *", "sophia.read", Production, "node:metrics", Ok(())),
    ] {
        let decided = decide(&ask(permission, environment, resource), &may(grants));
        assert_eq!(decided, expected, "{grants}: {permission} {environment} {resource}");
    }
}

#[test]
fn every_layer_must_allow() {
    let key = may("agent.execute,sophia.read in * for *");
    let user = may("agent.execute in staging for plugin:a");
    let both = key.and(&user);
    for (permission, environment, resource, expected) in [
        ("agent.execute", Staging, "plugin:a", Ok(())),
        ("agent.execute", Staging, "plugin:b", Err(Refused::Resource)),
        ("agent.execute", Production, "plugin:a", Err(Refused::Environment)),
        ("sophia.read", Staging, "plugin:a", Err(Refused::Permission)),
    ] {
        assert_eq!(decide(&ask(permission, environment, resource), &both), expected, "{permission} {resource}");
        assert_eq!(decide(&ask(permission, environment, resource), &user.and(&key)), expected);
    }
    assert_eq!(both.permissions().iter().collect::<Vec<_>>(), [Permission::AgentExecute]);
    let nobody = May([].into());
    assert_eq!(decide(&ask("sophia.read", Staging, "plugin:a"), &nobody), Err(Refused::Permission));
    assert!(nobody.permissions().is_empty() && !nobody.has_some(Permission::SophiaRead, Staging, Kind::Plugin));
}

/// The 23 permissions by role, in every environment and for whatever: the table of this room.
#[test]
fn roles_have_what_they_are_known_for() {
    use Permission as P;
    let viewer = [P::SophiaRead, P::BiRead, P::ConfigRead];
    let member = [&viewer[..], &[P::ArtemisRead, P::AgentExecute, P::SecretRead]].concat();
    let owners = [P::UserManage, P::SystemConfig, P::AuditWrite, P::EnvironmentWrite, P::SystemAdmin];
    for permission in Permission::ALL.iter().copied() {
        for environment in Environment::ALL {
            for kind in Kind::ALL {
                let has = Role::ALL.map(|role| {
                    let may = May::of(Rights::Role(role).grants());
                    let ask = Ask { permission, environment, resource: Resource::of(*kind, "any") };
                    decide(&ask, &may).is_ok()
                });
                let expected =
                    [viewer.contains(&permission), member.contains(&permission), !owners.contains(&permission), true];
                assert_eq!(has, expected, "{permission} {environment} {kind:?}");
            }
        }
    }
}

#[test]
fn the_effective_right_needs_all_three() {
    let patterns = |text: &str| text.split_whitespace().map(|one| one.parse().unwrap()).collect::<Vec<_>>();
    let caller = "agent.execute in production for model:fast,connection:linear/*";
    for (asked, granted, caller, resource, expected) in [
        ("model:fast", "model:fast", caller, "model:fast", Ok(())),
        ("", "model:fast", caller, "model:fast", Err(Lacking::Ask)),
        ("model:quality", "*", caller, "model:fast", Err(Lacking::Ask)),
        ("model:fast", "", caller, "model:fast", Err(Lacking::Grant)),
        ("*", "model:quality", caller, "model:fast", Err(Lacking::Grant)),
        ("*", "*", caller, "model:quality", Err(Lacking::Caller(Refused::Resource))),
        ("*", "*", "agent.execute in staging for *", "model:fast", Err(Lacking::Caller(Refused::Environment))),
        ("*", "*", "sophia.read in * for *", "model:fast", Err(Lacking::Caller(Refused::Permission))),
        ("connection:linear/*", "connection:linear/a", caller, "connection:linear/a", Ok(())),
        ("connection:linear/*", "connection:linear/a", caller, "connection:linear/b", Err(Lacking::Grant)),
        ("", "", "", "model:fast", Err(Lacking::Ask)),
    ] {
        let plugin = PluginRights { asked: patterns(asked), granted: patterns(granted) };
        let right = effective(&ask("agent.execute", Production, resource), &plugin, &may(caller));
        assert_eq!(right, expected, "{asked} ∩ {granted} ∩ {caller}: {resource}");
    }
}

#[test]
fn nobody_gives_what_they_do_not_have() {
    let own = "agent.execute in staging for plugin:hub*; secret.read in * for secret:crm-*,secret:erp";
    for (given, expected) in [
        ("agent.execute in staging for plugin:hubspot", ""),
        ("agent.execute in staging for plugin:hub*,plugin:hubspot*", ""),
        ("secret.read in * for secret:erp; agent.execute in staging for plugin:hub*", ""),
        ("agent.execute in staging for plugin:*", "`agent.execute` in staging for `plugin:*`"),
        ("agent.execute in staging for *", "`agent.execute` in staging for `*`"),
        ("agent.execute in * for plugin:hubspot", "`agent.execute` in development for `plugin:hubspot`"),
        ("secret.write,secret.read in * for secret:erp", "`secret.write`"),
        ("secret.read in production for secret:*,secret:erp", "`secret.read` in production for `secret:*`"),
        // What allows nothing is nothing given.
        ("system.admin in * for", ""),
        ("", ""),
    ] {
        let beyond = may(own).gives(&may(given)).map_err(|excess| excess.to_string()).err().unwrap_or_default();
        assert_eq!(beyond, expected, "{given}");
    }
    assert_eq!(May::all().gives(&May::all()), Ok(()));
    // A giver's layers must all have it; of a receiver's, one that is within is enough.
    let narrow = May::all().and(&may(own));
    assert!(narrow.gives(&May::all()).is_err());
    assert_eq!(may(own).gives(&narrow), Ok(()));
}

#[test]
fn some_of_a_kind_is_there_where_a_pattern_may_mean_it() {
    let may = may("sophia.read in staging for plugin:hub*; secret.read in * for *");
    assert!(may.has_some(Permission::SophiaRead, Staging, Kind::Plugin));
    assert!(!may.has_some(Permission::SophiaRead, Staging, Kind::Run));
    assert!(!may.has_some(Permission::SophiaRead, Production, Kind::Plugin));
    assert!(may.has_some(Permission::SecretRead, Production, Kind::Run));
}
