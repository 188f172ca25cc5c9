package sink_test

import (
	"net/netip"
	"testing"

	"sluice/sink"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.255.255": true, "172.32.0.1": true, "100.128.0.1": true, "198.20.0.1": true,
		"2606:4700::1111": true, "2a00:1450::1": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true, "2002:808:808::1": true,

		"127.0.0.1": false, "127.8.9.1": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false,
		"168.63.129.16": false, "192.0.0.192": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.7": false,
		"203.0.113.9": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"fe80::1": false, "fe80::1%eth0": false, "2606:4700::1111%eth0": false, "fc00::1": false, "fd00:ec2::254": false,
		"ff02::1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false,
		"2002:7f00:1::1": false, "2002:a9fe:a9fe::1": false, "2001::1": false, "2001:db8::1": false, "4000::1": false,
	} {
		if have := sink.Public(netip.MustParseAddr(addr)); have != want {
			t.Errorf("%s: want public %t, have %t", addr, want, have)
		}
	}
	if sink.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestSegment(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                 "",
		"abc-XYZ_0.9~":     "abc-XYZ_0.9~",
		"a b/c+d@e.com?x#": "a%20b%2Fc%2Bd%40e.com%3Fx%23",
		"%41&=;:%":         "%2541%26%3D%3B%3A%25",
		"é\x00":            "%C3%A9%00",
	} {
		if have := string(sink.AppendSegment([]byte("/"), value)); have != "/"+want {
			t.Errorf("%q: want %q, have %q", value, "/"+want, have)
		}
	}
	for _, value := range []string{"", ".", ".."} {
		if sink.FitsSegment(value) {
			t.Errorf("%q is a segment", value)
		}
	}
	if !sink.FitsSegment("...") || !sink.FitsSegment("a") {
		t.Error("good segments are not")
	}
}
