// The connector world in JavaScript. The component tool calls these exports by the contract's
// names; what they throw is the `error` variant of sophia:plugin/types.

import { get as configured } from 'sophia:plugin/config@0.1.0';
import { send as sendHttp } from 'sophia:plugin/http@0.1.0';
import { log } from 'sophia:plugin/log@0.1.0';
import { exists, verify } from 'sophia:plugin/secrets@0.1.0';
import { nextPage } from './numbers.js';
import { fromHex } from './hex.js';

const utf8 = new TextEncoder();
const text = new TextDecoder();

const actions = {
  // Gives its arguments back, with the connection's greeting where there is one.
  echo: (given) => ({ ...given, greeting: configured('greeting') ?? null }),
  // Sends through the contract's `http`, with a credential by name if one is given.
  send: ({ method = 'GET', url, headers = [], body, credential }) => {
    const answer = sendHttp({
      method,
      url,
      headers,
      body: body === undefined ? undefined : utf8.encode(body),
      credential,
      timeoutMs: undefined,
    });
    return { status: answer.status, headers: answer.headers, body: text.decode(answer.body) };
  },
  // Sends with the language's own `fetch`, which the host routes the same way.
  fetch: async ({ method = 'GET', url }) => {
    try {
      const answer = await fetch(url, { method });
      return { status: answer.status, body: await answer.text() };
    } catch (error) {
      throw { tag: 'upstream', val: { status: undefined, message: error.message } };
    }
  },
};

export const about = {
  describe: () => ({
    title: 'Numbers',
    summary: 'Counts, echoes and forwards, to show the connector world in JavaScript.',
    configuration: JSON.stringify({
      type: 'object',
      properties: { greeting: { type: 'string' } },
    }),
    operations: [
      operation('echo', 'Gives its arguments back. Calling twice changes nothing.', { a: 1 }),
      operation('send', 'Sends a request through the contract. Calling twice sends twice.', {
        url: 'https://numbers.example/one',
      }),
      operation('fetch', 'Sends a request with fetch. Calling twice sends twice.', {
        url: 'https://numbers.example/one',
      }),
    ],
    streams: [
      {
        name: 'numbers',
        summary: 'The numbers from 1 to 250.',
        schema: JSON.stringify({ type: 'object', properties: { n: { type: 'integer' } } }),
        primaryKey: ['n'],
        cursorField: 'n',
      },
    ],
  }),
};

export const connectorCalls = {
  check() {
    log('info', 'checked', [['language', 'javascript']]);
    if (!exists('numbers')) {
      throw { tag: 'denied', val: 'no secret is bound to the credential `numbers`' };
    }
  },

  read(streamName, cursor, limit) {
    if (streamName !== 'numbers') {
      throw { tag: 'not-found', val: `stream ${streamName}` };
    }
    const page = nextPage(parsed(cursor ?? '{}'), limit);
    return {
      items: page.items.map((item) => JSON.stringify(item)),
      next: JSON.stringify(page.next),
      more: page.more,
    };
  },

  async act(action, given) {
    if (!Object.hasOwn(actions, action)) {
      throw { tag: 'not-found', val: `action ${action}` };
    }
    return JSON.stringify(await actions[action](parsed(given)));
  },

  webhook(request) {
    const [, signature] = request.headers.find(([name]) => name === 'x-signature') ?? [];
    const mac = fromHex(signature ?? '');
    if (!mac || !verify('webhook', 'hmac-sha256', request.body, mac)) {
      throw { tag: 'denied', val: 'the header x-signature does not sign this body' };
    }
    return { events: [JSON.stringify(parsed(text.decode(request.body)))], reply: 'taken' };
  },
};

function operation(name, summary, example) {
  const anyObject = JSON.stringify({ type: 'object' });
  return { name, summary, arguments: anyObject, outcome: anyObject, example: JSON.stringify(example) };
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw { tag: 'invalid', val: `not JSON: ${error.message}` };
  }
}
