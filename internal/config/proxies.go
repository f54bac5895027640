package config

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
)

// headerName is what a header may be called that a proxy sets.
var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)

// proxies reads whose word is taken for a client's address.
func (c *Config) proxies(e *Error) {
	const variable = "ORGCAST_TRUSTED_PROXIES"
	for text := range strings.SplitSeq(c.TrustedProxies, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		network, err := proxyNetwork(text)
		if err != nil {
			e.add(variable, err, "Name the proxies' own addresses, as in 127.0.0.1, 10.0.3.0/24, 2001:db8::7.")
			continue
		}
		c.ProxyNetworks = append(c.ProxyNetworks, network)
	}
	if !headerName.MatchString(c.ClientAddressHeader) {
		e.refuse("ORGCAST_CLIENT_ADDRESS_HEADER", "it is no header's name", "Leave it out for X-Forwarded-For.")
	}
}

// proxyNetwork reads an address or a network.
func proxyNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" || address.IsUnspecified() {
			return netip.Prefix{}, errors.New("it is neither an address nor a network")
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	if network.Addr().Is4In6() {
		if network.Bits() < 96 {
			return netip.Prefix{}, errors.New("it is neither an address nor a network")
		}
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	if network.Bits() == 0 {
		return netip.Prefix{}, errors.New("it is the whole internet: everybody could say that he is somebody else")
	}
	return network.Masked(), nil
}
