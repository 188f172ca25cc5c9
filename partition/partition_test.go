package partition_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/partition"
)

// The vectors are Kafka's own, from UtilsTest.testMurmur2, and the partition of
// each for 1,000 partitions under its default partitioner.
func TestShardOfIsKafkas(t *testing.T) {
	t.Parallel()
	hashes := map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	for key, hash := range hashes {
		want := (hash & 0x7fffffff) % 1000
		if have := partition.ShardOf([]byte(key), 1000); have != want {
			t.Errorf("shard of %q: have %d, want %d", key, have, want)
		}
	}
}

func TestShardOfIsTheClients(t *testing.T) {
	t.Parallel()
	client := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for i := range 2000 {
		for _, key := range []string{fmt.Sprint(i), fmt.Sprintf("user-%d@example.com", i), fmt.Sprintf("ключ-%d-鍵", i*7919)} {
			want := client.Partition(&kgo.Record{Key: []byte(key)}, 48)
			if have := partition.ShardOf([]byte(key), 48); int(have) != want {
				t.Fatalf("shard of %q: have %d, want %d", key, have, want)
			}
		}
	}
}

func FuzzShardOf(f *testing.F) {
	client := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	f.Add([]byte("42"), int32(12))
	f.Fuzz(func(t *testing.T, key []byte, n int32) {
		if key == nil || n <= 0 {
			t.Skip("no key, or no partitions")
		}
		want := client.Partition(&kgo.Record{Key: key}, int(n))
		if have := partition.ShardOf(key, n); int(have) != want {
			t.Fatalf("shard of %x among %d: have %d, want %d", key, n, have, want)
		}
	})
}
