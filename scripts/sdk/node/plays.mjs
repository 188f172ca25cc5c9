// Plays a part with Customer.io's own Node library against a Track API, and
// prints what the caller sees of each call as a line of JSON:
//   node plays.mjs PLAY < settings
// Settings are {"url","site","key","prefix"}: where the API is, who calls, and
// what the names of this run begin with.
import { readFileSync } from 'node:fs'
import { TrackClient, IdentifierType, CustomerIORequestError } from 'customerio-node'

const set = JSON.parse(readFileSync(0, 'utf8'))
const client = (key, more) => new TrackClient(set.site, key, { url: `${set.url}/api/v1`, timeout: 20_000, ...more })
const cio = client(set.key)
const p = (name) => `${set.prefix}-${name}`
const mail = (name) => `${p(name)}@example.com`
const called = new Set()

// call makes one call and tells how it ended for the caller.
async function call(method, who, ...args) {
  called.add(method)
  const line = { call: method }
  try {
    line.answer = await who[method](...args)
    line.ok = true
  } catch (e) {
    line.ok = false
    line.error = e.constructor.name
    line.status = e instanceof CustomerIORequestError ? e.statusCode : 0
    line.message = e.message
  }
  console.log(JSON.stringify(line))
}

const say = (method, ...args) => call(method, cio, ...args)

const plays = {
  // One call after another, as an application does; what concerns several
  // people comes in `together`, once these stand.
  async alone() {
    await say('identify', p('buyer'), { email: mail('buyer'), created_at: 1361205308, plan: 'basic' })
    await say('identify', p('buyer'), { plan: 'pro', note: 'naïve 日本 \u{1F600}', unsubscribed: false })
    await say('identify', p('a/b+c%2F?x=1&y d'), { x: 1 })
    await say('identify', `${set.prefix}+tag@Example.com`, { x: 2 })
    await say('identify', set.number, { x: 3 })
    await say('track', p('buyer'), { name: 'purchase', data: { price: 23.45 } })
    await say('track', p('buyer'), { name: 'purchase', data: { price: 23.45 } })
    for (let i = 0; i < 2; i++) await say('track', p('buyer'), { name: 'refund', id: set.ulid, timestamp: 1613063089 })
    await say('trackPageView', p('buyer'), '/home?x=1')
    await say('trackAnonymous', p('anon'), { name: 'watched', data: { video: 'intro' } })
    await say('trackAnonymous', '', { name: p('invited'), data: { recipient: mail('friend') } })
    await say('addDevice', p('buyer'), p('phone'), 'ios', { last_used: 1613063089, app_version: '1.2' })
    await say('addDevice', p('buyer'), p('old/phone'), 'android')
    await say('deleteDevice', p('buyer'), p('old/phone'))
    await say('identify', p('gone'), { x: 1 })
    await say('destroy', p('gone'))
    await say('identify', p('blocked'), { x: 1 })
    await say('suppress', p('blocked'))
    await say('identify', p('blocked'), { x: 2 })
    await say('suppress', p('freed'))
    await say('unsuppress', p('freed'))
    await say('identify', p('freed'), { x: 1 })
    await say('identify', p('kept'), { a: 1 })
    await say('identify', p('twin'), { b: 2 })
    await say('batch', [
      { type: 'person', action: 'identify', identifiers: { id: p('batched') }, attributes: { plan: 'x' } },
      { type: 'person', action: 'event', identifiers: { id: p('batched') }, name: 'purchase', attributes: { price: 1 } },
    ])
    await say('submitForm', 'newsletter', { email: mail('form'), first_name: 'F' })
    await say('reportMetric', { delivery_id: p('delivery'), metric: 'clicked', href: 'https://x', timestamp: 1613063089 })
    await say('trackPush', { delivery_id: p('delivery'), event: 'opened', device_id: p('phone'), timestamp: 1613063089 })
    await say('unsubscribe', p('delivery'))
    await say('getAccountRegion')
  },

  async together() {
    await say('mergeCustomers', IdentifierType.Id, p('kept'), IdentifierType.Id, p('twin'))
    await say('entity', {
      type: 'object', action: 'identify', identifiers: { object_type_id: '1', object_id: p('acme') }, attributes: { name: 'Acme' },
      cio_relationships: [{ identifiers: { id: p('buyer') } }],
    })
    await say('addCustomersToSegment', 7, [p('buyer'), p('kept')])
    await say('removeCustomersFromSegment', 7, [p('kept')], IdentifierType.Id)
  },

  async refused() {
    await call('identify', client('not the key'), p('nobody'), { x: 1 })
    await say('track', p('nobody'), { name: 'n'.repeat(101) })
    await say('mergeCustomers', IdentifierType.Id, p('nobody'), IdentifierType.Id, 'x'.repeat(151))
    await say('batch', [
      { type: 'person', action: 'identify', identifiers: { id: p('half') }, attributes: { x: 1 } },
      { type: 'person', action: 'event', identifiers: { id: p('half') } },
    ])
  },

  // What the caller sees when nobody helps, and what its library makes of it.
  async away() {
    await call('identify', client(set.key, { retry: { maxRetries: 0 } }), p('away'), { x: 1 })
  },
  async retried() {
    await say('track', p('retried'), { name: 'once', data: { price: 1 } })
  },
}

await plays[process.argv[2]]()
if (process.argv[2] === 'together') {
  // All that the library has, so that a new version brings nothing unseen.
  const all = Object.getOwnPropertyNames(TrackClient.prototype).filter((name) => name !== 'constructor')
  console.log(JSON.stringify({ call: 'methods', ok: true, answer: all.sort() }))
}
