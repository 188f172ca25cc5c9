package partition_test

import (
	"fmt"

	"sluice/partition"
)

func ExampleShardOf() {
	for _, user := range []string{"42", "ada@example.com"} {
		fmt.Println(user, partition.ShardOf([]byte(user), 48))
	}
	// Output:
	// 42 28
	// ada@example.com 29
}
