package config

import (
	"strings"
	"testing"
)

func TestTheOperatorsCommandsNeedNoDatabase(t *testing.T) {
	const token = "0123456789abcdef"
	for name, c := range map[string]struct {
		environ map[string]string
		want    Operator
		problem string
	}{
		"nothing set":        {map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/state"}, Operator{URL: "http://127.0.0.1:4051", DataDir: "/state/orgcast"}, ""},
		"another port":       {map[string]string{"ORGCAST_ADMIN_LISTEN": "localhost:9", "ORGCAST_DATA_DIR": "/d"}, Operator{URL: "http://localhost:9", DataDir: "/d"}, ""},
		"an address":         {map[string]string{"ORGCAST_ADMIN_LISTEN": "192.0.2.1:9", "ORGCAST_ADMIN_TOKEN": token, "ORGCAST_DATA_DIR": "/d"}, Operator{URL: "http://192.0.2.1:9", Token: token, DataDir: "/d"}, ""},
		"every address":      {map[string]string{"ORGCAST_ADMIN_LISTEN": "0.0.0.0:9", "ORGCAST_ADMIN_TOKEN": token, "ORGCAST_ADMIN_HOSTS": "ops.internal, x", "ORGCAST_DATA_DIR": "/d"}, Operator{URL: "http://127.0.0.1:9", Host: "ops.internal", Token: token, DataDir: "/d"}, ""},
		"every one, no name": {map[string]string{"ORGCAST_ADMIN_LISTEN": ":9", "ORGCAST_ADMIN_TOKEN": token, "ORGCAST_DATA_DIR": "/d"}, Operator{}, "ORGCAST_ADMIN_HOSTS"},
		"no token":           {map[string]string{"ORGCAST_ADMIN_LISTEN": "0.0.0.0:9"}, Operator{}, "off loopback it needs a token"},
		"a misspelt name":    {map[string]string{"ORGCAST_ADMIN_LISTN": "x"}, Operator{}, "ORGCAST_ADMIN_LISTN"},
		"no duration":        {map[string]string{"ORGCAST_LEASE": "x"}, Operator{}, "ORGCAST_LEASE"},
	} {
		got, err := LoadOperator(c.environ)
		switch {
		case c.problem != "":
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || got != c.want:
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
