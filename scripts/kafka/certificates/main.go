// Command certificates writes what a test cluster with TLS needs into a folder:
// an authority's certificate (ca.pem), the brokers' keys with certificates as
// Kafka's PEM keystores want them (broker.pem; expired.pem, whose certificate
// has expired), and certificates and keys of clients (client.pem, client.key;
// expired-client.pem, expired-client.key).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sluice/scripts/kafka/authority"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: certificates FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "certificates:", err)
		os.Exit(1)
	}
}

// write makes everything anew: the authority's own key is kept by nobody.
func write(folder string) error {
	ca, err := authority.New("sluice test authority")
	if err != nil {
		return err
	}
	hosts := []string{"localhost", "127.0.0.1"}
	yesterday := time.Now().Add(-24 * time.Hour)
	files := map[string][]byte{"ca.pem": ca.PEM}
	for name, r := range map[string]authority.Request{
		"broker":         {Name: "broker", Hosts: hosts},
		"expired":        {Name: "broker", Hosts: hosts, Until: yesterday},
		"client":         {Name: "client"},
		"expired-client": {Name: "client", Until: yesterday},
	} {
		leaf, err := ca.Issue(r)
		if err != nil {
			return err
		}
		if len(r.Hosts) > 0 {
			files[name+".pem"] = append(leaf.Key, leaf.Cert...)
		} else {
			files[name+".pem"], files[name+".key"] = leaf.Cert, leaf.Key
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
