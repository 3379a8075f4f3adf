//! Connector `hubspot`: contacts, companies, deals and owners of one HubSpot account.
//!
//! Here stands what touches the host; everything else is pure and tested natively. `docs` in the
//! comments stands for <https://developers.hubspot.com/docs>.
//!
//! It does not read archived records, associations or custom objects.

mod action;
mod cursor;
mod description;
mod object;
mod owners;
mod page;
mod properties;
mod read;
mod recent;
mod refusal;
mod webhook;

use action::Action;
use object::Object;
use sophia_sdk::{
    Connector, Description, Error, Json, Page, WebhookOutcome, WebhookRequest, config, http,
    secrets::{self, Algorithm},
    time::SystemTime,
};

const API: &str = "https://api.hubapi.com/crm/v3";

struct HubSpot;

impl Connector for HubSpot {
    fn describe() -> Description {
        description::describe()
    }

    fn check() -> Result<(), Error> {
        refusal::accept(owners::request(None, 1).send()?)?;
        Ok(())
    }

    fn read(stream: &str, cursor: Option<Json>, limit: u32) -> Result<Page, Error> {
        if stream == owners::STREAM {
            return owners::read(cursor, limit, |request| refusal::accept(request.send()?));
        }
        let object = Object::of_stream(stream).ok_or_else(|| Error::no_stream(stream))?;
        let configured = config::get(&format!("hubspot.properties.{stream}"));
        let reading = read::Reading {
            object,
            properties: properties::chunks(object, configured.as_deref())?,
            limit,
            now: SystemTime::now().unix_millis(),
        };
        reading.read(cursor, |requests| {
            http::send_all(requests).into_iter().map(|answer| refusal::accept(answer?)).collect()
        })
    }

    fn act(action: &str, arguments: Json) -> Result<Json, Error> {
        let request = Action::of_name(action).ok_or_else(|| Error::no_action(action))?.request(&arguments)?;
        refusal::accept(request.send()?)?.into_json()
    }

    fn webhook(request: WebhookRequest) -> Result<WebhookOutcome, Error> {
        let signed = webhook::signed(&request, SystemTime::now().unix_millis())?;
        if !secrets::verify("webhook", Algorithm::HmacSha256, &signed.message, &signed.mac)? {
            return Err(Error::Denied("the signature is not HubSpot's".to_owned()));
        }
        webhook::events(&request.body)
    }
}

sophia_sdk::connector!(HubSpot);
