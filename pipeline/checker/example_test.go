package checker_test

import (
	"fmt"
	"strings"

	"sluice/pipeline/checker"
	"sluice/pipeline/producer"
)

func ExampleCheck() {
	input := `{"user":"42","event":"cart"}
{"user":"42","event":"purchase"}
{"user":"7","event":"cart"}
`
	// As the simulator tells it: user 42's events came in the wrong order, the
	// first of them twice, and user 7's never.
	history := `{"time":1000000000,"user":"42","_n":2,"_seq":2,"status":200,"attempt":1,"effect":true}
{"time":1500000000,"user":"42","_n":1,"_seq":1,"status":200,"attempt":2,"effect":true}
{"time":2000000000,"user":"42","_n":1,"_seq":1,"status":200,"attempt":3,"effect":false}
`
	expected := checker.Expect(producer.NDJSON(strings.NewReader(input)), producer.Entity)
	report, err := checker.Check(expected, checker.Decode(strings.NewReader(history)), checker.Extra{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("delivered %d of %d, lost %d, duplicates %d, order breaks %d, ok %v\n",
		report.Delivered, report.Read, report.Lost, report.Duplicates, report.OrderBreaks, report.OK())
	// Output: delivered 2 of 3, lost 1, duplicates 1, order breaks 1, ok false
}
