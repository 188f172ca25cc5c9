// Sends a purchase of each USER, or of each line of standard input without one:
//   node produce.mjs BROKERS TOPIC [USER ...]
import { readFileSync } from 'node:fs'
import { Kafka, Partitioners } from 'kafkajs'

const [brokers, topic, ...named] = process.argv.slice(2)
const users = named.length ? named : readFileSync(0, 'utf8').split('\n').filter(Boolean)
const event = (id) => ({ type: 'person', action: 'event', identifiers: { id }, name: 'purchase', attributes: { total: 12.5 } })

const kafka = new Kafka({ clientId: 'shop', brokers: brokers.split(',') })
// murmur2 of the key, which the shards go by. LegacyPartitioner is another hash.
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
await producer.connect()
await producer.send({ topic, messages: users.map((id) => ({ key: id, value: JSON.stringify(event(id)) })) })
await producer.disconnect()
