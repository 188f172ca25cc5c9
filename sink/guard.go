package sink

import (
	"net/netip"
	"syscall"
)

// dialGuard looks at each address that is about to be connected to, after the
// name was resolved, so that no name can smuggle in an address.
type dialGuard = func(network, address string, _ syscall.RawConn) error

// publicOnly refuses every address that is not a public unicast one.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !Public(at.Addr()) {
		return errBlocked
	}
	return nil
}

// Public reports whether addr is a unicast address of the public Internet.
// Loopback, private, shared, link-local, metadata, documentation, benchmark
// and reserved ranges (IANA's special-purpose registries) are not, nor are the
// IPv6 forms that carry such an IPv4 address inside.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Zone() != "" {
		return false
	}
	for _, reserved := range reservedRanges() {
		if reserved.Contains(addr) {
			return false
		}
	}
	if addr.Is4() {
		return true
	}
	raw := addr.As16()
	switch {
	case netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x00, 1: 0x64, 2: 0xff, 3: 0x9b}), 96).Contains(addr): // NAT64
		return Public(netip.AddrFrom4([4]byte(raw[12:])))
	case raw[0] == 0x20 && raw[1] == 0x02: // 6to4
		return Public(netip.AddrFrom4([4]byte(raw[2:6])))
	}
	return raw[0]&0xe0 == 0x20 // 2000::/3, all that was ever given out
}

func reservedRanges() []netip.Prefix {
	v4 := func(a, b, c, d byte, bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), bits)
	}
	return []netip.Prefix{
		v4(0, 0, 0, 0, 8),
		v4(100, 64, 0, 0, 10),    // shared by carriers; Alibaba's metadata
		v4(168, 63, 129, 16, 32), // Azure's host
		v4(192, 0, 0, 0, 24),     // Oracle's metadata among them
		v4(192, 0, 2, 0, 24),     // documentation
		v4(192, 88, 99, 0, 24),   // old 6to4 relays
		v4(198, 18, 0, 0, 15),    // benchmarks
		v4(198, 51, 100, 0, 24),  // documentation
		v4(203, 0, 113, 0, 24),   // documentation
		v4(240, 0, 0, 0, 4),      // reserved, and broadcast
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01}), 23),                   // protocol assignments, Teredo
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8}), 32), // documentation
	}
}
