package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// prices reads the stream up to a price of the property, and returns all prices
// in their order and whatever else the stream says.
func (c *connection) prices(t testing.TB, last int) (prices []int, said []string) {
	t.Helper()
	for {
		_, m, err := c.next()
		if err != nil {
			t.Fatalf("%v after the prices %v and %v", err, prices, said)
		}
		price, ok := m.Payload.Changes["price"].New.(string)
		if !ok {
			said = append(said, strings.TrimSpace(m.Type+" "+m.State+m.Reason))
			continue
		}
		var n int
		if _, err := fmt.Sscan(price, &n); err != nil {
			t.Fatalf("price %q", price)
		}
		if prices = append(prices, n); n == last {
			return prices, said
		}
	}
}

// unbroken says that the prices are all from first to last, each once.
func unbroken(prices []int, first, last int) string {
	for i, n := range prices {
		if n != first+i {
			return fmt.Sprintf("%v is not %d to %d, each once", prices, first, last)
		}
	}
	if len(prices) != last-first+1 {
		return fmt.Sprintf("%v is not %d to %d", prices, first, last)
	}
	return ""
}
