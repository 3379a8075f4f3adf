// An endpoint in JavaScript: GET says who answers, POST gives the body back.

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  if (request.method !== 'POST') {
    return new Response('hello from JavaScript\n', { headers: { 'content-type': 'text/plain' } });
  }
  const kind = request.headers.get('content-type') ?? 'application/octet-stream';
  return new Response(await request.arrayBuffer(), { headers: { 'content-type': kind } });
}
