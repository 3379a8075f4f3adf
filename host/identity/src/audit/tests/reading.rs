//! Pages: by filter, in order, over sealed parts and chains.

use super::*;

#[tokio::test]
async fn pages_of_any_size_show_every_entry_once_and_in_order() {
    let world = World::with(AuditConfig { segment_entries: 10, ..CONFIG }).await;
    world.record(25).await;
    world.audit.refused(refusal("hello"));
    let world = world.restart().await;
    for limit in [1, 3, 10, 1_000] {
        let (mut seen, mut at) = (Vec::new(), None);
        loop {
            let page = world.audit.page(&AuditFilter::default(), at, limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            seen.extend(page.entries.into_iter().map(|one| (one.class, one.seq)));
            at = page.next;
            if at.is_none() {
                break;
            }
            assert_eq!(at.unwrap().to_string().parse(), Ok(at.unwrap()));
        }
        let expected: Vec<_> = (1..=25).map(|seq| ("change", seq)).chain([("refusal", 1)]).collect();
        assert_eq!(seen, expected, "{limit}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_filter_shows_what_is_meant_and_nothing_else() {
    let world = World::new().await;
    for (nth, (tenant, actor)) in [("main", "ci"), ("other", "ci"), ("main", "boss")].into_iter().enumerate() {
        let at = Timestamp::from_second(1_700_000_000 + i64::try_from(nth).unwrap()).unwrap();
        let own = entry(Class::Change, &nth.to_string());
        let own = Entry { at, tenant: Some(tenant.parse().unwrap()), actor: Some(actor.into()), ..own };
        world.audit.record(own).await.unwrap();
    }
    world.audit.refused(refusal("hello"));
    let world = world.restart().await;
    let check = async |filter: AuditFilter, expected: &[&str]| {
        let page = world.audit.page(&filter, None, 100).await.unwrap();
        let shown: Vec<_> = page.entries.iter().map(|one| one.resource.as_deref().unwrap()).collect();
        assert_eq!(shown, expected, "{filter:?}");
    };
    let any = AuditFilter::default;
    let second = |nth: i64| Some(Timestamp::from_second(1_700_000_000 + nth).unwrap());
    check(any(), &["/v1/secrets/0", "/v1/secrets/1", "/v1/secrets/2", "/v1/plugins/hello"]).await;
    check(AuditFilter { class: Some(Class::Refusal), ..any() }, &["/v1/plugins/hello"]).await;
    check(AuditFilter { tenant: Some("other".parse().unwrap()), ..any() }, &["/v1/secrets/1"]).await;
    check(AuditFilter { actor: Some("ci".into()), ..any() }, &["/v1/secrets/0", "/v1/secrets/1"]).await;
    check(AuditFilter { action: Some("GET ".into()), ..any() }, &["/v1/plugins/hello"]).await;
    check(AuditFilter { since: second(1), until: second(2), ..any() }, &["/v1/secrets/1"]).await;
    check(AuditFilter { actor: Some("c".into()), ..any() }, &[]).await;
    world.stop().await;
}

#[test]
fn a_cursor_is_what_an_answer_gave() {
    for wrong in ["", "change", "change:", "change:-1", "secrets:1", "change:1:2"] {
        assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
    }
}
