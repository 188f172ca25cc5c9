# Sends a purchase of each USER, or of each line of standard input without one:
#   python produce.py BROKERS TOPIC [USER ...]
import json
import sys

from confluent_kafka import Producer

brokers, topic, *named = sys.argv[1:]
users = named or filter(None, open(0, encoding="utf-8").read().split("\n"))
failed = []

producer = Producer({
    "bootstrap.servers": brokers,
    # murmur2 of the key, which the shards go by. librdkafka's own default is CRC32.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
})
for user in users:
    event = {"type": "person", "action": "event", "identifiers": {"id": user}, "name": "purchase", "attributes": {"total": 12.5}}
    producer.produce(topic, key=user, value=json.dumps(event), on_delivery=lambda err, _: err and failed.append(err))
    producer.poll(0)
producer.flush()
sys.exit(f"{len(failed)} events were not taken: {failed[0]}" if failed else 0)
