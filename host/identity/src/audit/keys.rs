use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use sophia_store::audit::{AuditHeadRow, AuditRow, AuditSegmentRow};

/// What links the entries of a chain, and what its segments are sealed under. Made once at boot
/// from the node's master key; whoever has only the database can make neither.
pub struct AuditKeys {
    mac: hmac::Key,
    seal: LessSafeKey,
    random: SystemRandom,
}

/// HMAC-SHA256.
pub(crate) type Mac = [u8; 32];

/// What is authenticated. No MAC of one kind is ever good for another; the number changes with the
/// layout.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Genesis,
    Entry,
    Head,
    Segment,
    Witness,
}

/// What a segment's ciphertext belongs to, beside its chain and range.
const SEGMENT: &[u8] = b"sophia audit segment 1";

impl AuditKeys {
    /// Of two unrelated keys.
    pub fn new(chain: &[u8; 32], segments: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "AES-256-GCM takes every key of 32 bytes")]
        let seal = UnboundKey::new(&AES_256_GCM, segments).expect("a key of 32 bytes");
        Self {
            mac: hmac::Key::new(hmac::HMAC_SHA256, chain),
            seal: LessSafeKey::new(seal),
            random: SystemRandom::new(),
        }
    }

    /// What the first entry of a chain is linked to.
    pub(crate) fn genesis(&self, chain: &str) -> Mac {
        let mut parts = self.parts(Kind::Genesis);
        parts.add(chain.as_bytes());
        parts.mac()
    }

    /// The MAC of an entry at its place, linked to the entry before it.
    pub(crate) fn entry(&self, chain: &str, before: &Mac, row: &AuditRow) -> Mac {
        self.entry_at(chain, before, row, row.seq)
    }

    /// The same, as if it stood at another place.
    pub(crate) fn entry_at(&self, chain: &str, before: &Mac, row: &AuditRow, seq: i64) -> Mac {
        let mut parts = self.parts(Kind::Entry);
        parts.add(before);
        parts.add(chain.as_bytes());
        parts.number(seq);
        parts.number(row.at_micros);
        parts.option(row.tenant.as_deref());
        parts.option(row.actor.as_deref());
        parts.add(row.action.as_bytes());
        parts.option(row.resource.as_deref());
        parts.add(row.outcome.as_bytes());
        parts.option_number(row.status);
        parts.number(row.count);
        parts.option(row.request_id.as_deref());
        parts.option(row.peer.as_deref());
        parts.option(row.detail.as_deref());
        parts.mac()
    }

    /// What says that a chain ends there: without it, whoever cuts off its end could write an
    /// earlier entry's MAC as the last one.
    pub(crate) fn head(&self, head: &AuditHeadRow) -> Mac {
        let mut parts = self.parts(Kind::Head);
        parts.add(head.chain.as_bytes());
        parts.number(head.seq);
        parts.add(&head.mac);
        parts.mac()
    }

    /// What says that a segment holds that range, and whether it is still kept.
    pub(crate) fn segment(&self, segment: &AuditSegmentRow) -> Mac {
        let mut parts = self.parts(Kind::Segment);
        parts.add(segment.chain.as_bytes());
        for number in [segment.first_seq, segment.last_seq, segment.from_micros, segment.to_micros] {
            parts.number(number);
        }
        parts.add(&segment.before_mac);
        parts.add(&segment.last_mac);
        parts.add(segment.state.as_str().as_bytes());
        parts.mac()
    }

    /// What says that this installation wrote a witness.
    pub(crate) fn witness(&self, text: &[u8]) -> Mac {
        let mut parts = self.parts(Kind::Witness);
        parts.add(text);
        parts.mac()
    }

    /// Encrypts a segment's entries. Random nonces are safe for 2^32 seals under one key (NIST SP
    /// 800-38D 8.3); at one a second that is a hundred years.
    pub(crate) fn seal(&self, segment: &AuditSegmentRow, mut plain: Vec<u8>) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce)?;
        let aad = Aad::from(aad(segment));
        self.seal.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut plain)?;
        plain.splice(0..0, nonce);
        Ok(plain)
    }

    /// A segment's entries; an error for anything that was not sealed here, by this key, as this
    /// part of this chain.
    pub(crate) fn open(&self, segment: &AuditSegmentRow, sealed: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unspecified)?;
        let mut buffer = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let n_plain = self.seal.open_in_place(nonce, Aad::from(aad(segment)), &mut buffer)?.len();
        buffer.truncate(n_plain);
        Ok(buffer)
    }

    fn parts(&self, kind: Kind) -> Parts {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(kind.domain());
        Parts(context)
    }
}

impl Kind {
    fn domain(self) -> &'static [u8] {
        match self {
            Self::Genesis => b"sophia audit genesis 1",
            Self::Entry => b"sophia audit entry 1",
            Self::Head => b"sophia audit head 1",
            Self::Segment => b"sophia audit segment 1",
            Self::Witness => b"sophia audit witness 1",
        }
    }
}

/// Bytes that are authenticated: each part has its length before it, so that no two lists of parts
/// look alike.
struct Parts(hmac::Context);

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn number(&mut self, number: i64) {
        self.add(&number.to_be_bytes());
    }

    fn option(&mut self, part: Option<&str>) {
        self.0.update(&[u8::from(part.is_some())]);
        self.add(part.unwrap_or_default().as_bytes());
    }

    fn option_number(&mut self, number: Option<i64>) {
        self.0.update(&[u8::from(number.is_some())]);
        self.number(number.unwrap_or_default());
    }

    fn mac(self) -> Mac {
        let mut mac = [0; 32];
        mac.copy_from_slice(self.0.sign().as_ref());
        mac
    }
}

fn aad(segment: &AuditSegmentRow) -> Vec<u8> {
    let (first, last) = (segment.first_seq.to_be_bytes(), segment.last_seq.to_be_bytes());
    let length = (segment.chain.len() as u64).to_be_bytes();
    [SEGMENT, &length, segment.chain.as_bytes(), &first, &last].concat()
}

impl std::fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKeys(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use sophia_store::audit::SegmentState;

    use super::*;

    pub(crate) fn keys() -> AuditKeys {
        AuditKeys::new(&[1; 32], &[2; 32])
    }

    pub(crate) fn row(seq: i64) -> AuditRow {
        AuditRow {
            seq,
            at_micros: 1_000 + seq,
            tenant: Some("main".into()),
            actor: Some("ci".into()),
            action: "PUT /v1/plugins/{name}".into(),
            resource: Some("/v1/plugins/hello".into()),
            outcome: "done".into(),
            status: Some(201),
            count: 1,
            request_id: Some("abc".into()),
            peer: Some("127.0.0.1".into()),
            detail: None,
            mac: Vec::new(),
        }
    }

    #[test]
    fn every_field_of_an_entry_its_place_and_its_chain_make_its_mac() {
        let (keys, before) = (keys(), [0; 32]);
        let same = || keys.entry("change", &before, &row(7));
        assert_eq!(same(), same());
        let changes: [fn(&mut AuditRow); 16] = [
            |row| row.seq = 8,
            |row| row.at_micros += 1,
            |row| row.tenant = None,
            |row| row.tenant = Some(String::new()),
            |row| row.actor = Some("c".into()),
            |row| (row.tenant, row.actor) = (Some("mainc".into()), Some("i".into())),
            |row| row.action.push(' '),
            |row| row.resource = None,
            |row| row.outcome = "refused".into(),
            |row| row.status = None,
            |row| row.status = Some(0),
            |row| row.count = 2,
            |row| row.request_id = None,
            |row| row.peer = None,
            |row| row.detail = Some(String::new()),
            |row| (row.peer, row.detail) = (None, Some("127.0.0.1".into())),
        ];
        let mut seen = vec![same()];
        for change in changes {
            let mut changed = row(7);
            change(&mut changed);
            seen.push(keys.entry("change", &before, &changed));
        }
        seen.push(keys.entry("refusal", &before, &row(7)));
        seen.push(keys.entry("change", &[1; 32], &row(7)));
        seen.push(AuditKeys::new(&[9; 32], &[2; 32]).entry("change", &before, &row(7)));
        let n = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), n);
    }

    fn segment() -> AuditSegmentRow {
        AuditSegmentRow {
            chain: "change".into(),
            first_seq: 1,
            last_seq: 9,
            from_micros: 5,
            to_micros: 6,
            before_mac: vec![3; 32],
            last_mac: vec![4; 32],
            state: SegmentState::Sealed,
            seal: Vec::new(),
        }
    }

    #[test]
    fn a_segment_opens_as_what_it_was_sealed_as_and_untouched() {
        let keys = keys();
        let sealed = keys.seal(&segment(), b"entries".to_vec()).unwrap();
        assert_eq!(keys.open(&segment(), &sealed).unwrap(), b"entries");
        assert!(!sealed.windows(7).any(|window| window == b"entries"));
        for other in [
            AuditSegmentRow { chain: "refusal".into(), ..segment() },
            AuditSegmentRow { first_seq: 2, ..segment() },
            AuditSegmentRow { last_seq: 8, ..segment() },
        ] {
            assert!(keys.open(&other, &sealed).is_err(), "{other:?}");
        }
        for at in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[at] ^= 1;
            assert!(keys.open(&segment(), &touched).is_err(), "byte {at}");
            assert!(keys.open(&segment(), &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_said_of_a_segment_is_authenticated_its_state_too() {
        let keys = keys();
        let mut seen = vec![keys.segment(&segment())];
        for other in [
            AuditSegmentRow { state: SegmentState::Expired, ..segment() },
            AuditSegmentRow { last_mac: vec![5; 32], ..segment() },
            AuditSegmentRow { to_micros: 7, ..segment() },
            AuditSegmentRow { chain: "refusal".into(), ..segment() },
        ] {
            seen.push(keys.segment(&other));
        }
        let n = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), n);
    }
}
