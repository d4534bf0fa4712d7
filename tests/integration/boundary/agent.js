// agent.js: Node's http.Agent, or undici (its fetch, or its request), with its own idle behaviour, at the end of what was
// promised. Arguments: kind, URL, seconds of the promise, workers, rounds. SPDX-License-Identifier: Apache-2.0
const http = require('http');
const [kind, url, promise, workers, rounds] = process.argv.slice(2).map((word, i) => (i < 2 ? word : Number(word)));
const undici = kind === 'undici' ? require('undici') : null;
const told = { ok: 0, late: 0, errors: [] };

function ask(agent) {
  if (kind === 'fetch')
    return fetch(url, { method: 'POST', body: 'x' }).then((response) => response.text().then(() => response.status));
  if (kind === 'undici')
    return agent.request({ path: '/', method: 'POST', body: 'x' }).then(({ statusCode, body }) => body.text().then(() => statusCode));
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent, method: 'POST' }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end('x');
  });
}

async function work(number) {
  const agent = kind === 'agent' ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : undici && new undici.Client(url);
  let last = Infinity;
  for (let i = 0; i <= rounds; i++) {
    const began = performance.now();
    try {
      const status = await ask(agent);
      if (status === 200) told.ok++;
      else told.errors.push(status);
    } catch (error) {
      told.errors.push(String(error.cause || error));
    }
    const wait = promise * 1000 - 100 + (300 * ((number * 7 + i * 13) % workers)) / workers;
    if (performance.now() - last > promise * 1000 + 800) told.late++;
    last = began;
    if (i < rounds) await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

Promise.all([...Array(workers).keys()].map(work)).then(() => {
  console.log(JSON.stringify(told));
  process.exit(0);
});
