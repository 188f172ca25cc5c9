package data_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"

	"sluice/scripts/data"
)

func rows(t *testing.T, r io.Reader) [][]string {
	t.Helper()
	all, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCDNOWIsTheFile(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("cdnow.csv")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		have, err := io.ReadAll(data.CDNOW())
		if err != nil || !bytes.Equal(have, want) {
			t.Errorf("have %d bytes, want %d, %v", len(have), len(want), err)
		}
	}
	all := rows(t, data.CDNOW())
	users := map[string]bool{}
	for _, row := range all[1:] {
		users[row[0]] = true
	}
	if len(all) != 69_659+1 || len(users) != 23_570 {
		t.Errorf("have %d purchases by %d customers, want 69659 by 23570", len(all)-1, len(users))
	}
}

// The sample is exactly the rows of every tenth customer, in the file's order.
func TestSample(t *testing.T) {
	t.Parallel()
	all := rows(t, data.CDNOW())
	want := slices.Clone(all[:1])
	for _, row := range all[1:] {
		number, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		if number%10 == 0 {
			want = append(want, row)
		}
	}
	have := rows(t, data.Sample())
	if len(have) != len(want) || len(have) != 6787+1 {
		t.Fatalf("have %d rows, want %d", len(have), len(want))
	}
	for i := range want {
		if have[i][0] != want[i][0] || have[i][1] != want[i][1] || have[i][3] != want[i][3] {
			t.Fatalf("row %d: have %v, want %v", i, have[i], want[i])
		}
	}
}
