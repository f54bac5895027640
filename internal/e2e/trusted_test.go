package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAProxyThatNobodyNamedIsToldToTheOperator over the wire, and named, is not.
func TestAProxyThatNobodyNamedIsToldToTheOperator(t *testing.T) {
	h := settled(t, 1)
	for trusted, found := range map[string]string{"": "untrusted_local", "127.0.0.1": "proxy"} {
		s := serve(t, h.environ, map[string]string{"ORGCAST_TRUSTED_PROXIES": trusted})
		s.ready(t)
		if answer := h.openFrom(within(t, time.Minute), t, s, asked{"user_1", "org_1", "203.0.113.1"}); answer.StatusCode != http.StatusOK {
			t.Fatalf("status %d", answer.StatusCode)
		}
		if n := s.count(t, `orgcast_client_addresses_total{found="`+found+`"}`); n != 1 {
			t.Errorf("trusted %q: %v requests are counted as %s", trusted, n, found)
		}
		var f struct{ UntrustedProxies int }
		text := must(t, http.StatusOK, http.MethodGet, "http://"+s.oper+"/api/realtime/stats", "", "")
		if err := json.Unmarshal([]byte(text), &f); err != nil || (f.UntrustedProxies == 1) != (trusted == "") {
			t.Errorf("trusted %q: %s, %v", trusted, text, err)
		}
		if _, says := run(t, s.environ, "", "doctor", "--json"); strings.Contains(says, `"proxy_untrusted"`) != (trusted == "") {
			t.Errorf("trusted %q: the doctor says %s", trusted, says)
		}
		s.terminate(t)
		s.exit(t, 20*time.Second)
	}
}
