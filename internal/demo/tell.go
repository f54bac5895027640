package demo

import (
	"fmt"
	"io"
)

// tell says what there is to try.
func tell(w io.Writer, p Place) {
	stream := p.Stream + "/api/realtime/stream?organizationId="
	fmt.Fprintf(w, `
The application is at

  %[1]s      and, for another user beside it, at %[2]s

Two organizations, Aegean Estates (aegean) and Ionian Homes (ionian): alice belongs to the first,
bob to the second, carol to both. Sign in as alice in one window and as carol in the other.

The same without a browser. Watch each organization, in two terminals:

  curl -N -H @%[3]s/alice '%[4]saegean'
  curl -N -H @%[3]s/bob '%[4]sionian'

Change a property of Aegean Estates, in a third, as the application would. Bob never sees it:

  psql '%[5]s' -c "UPDATE properties SET price = price + 1000 WHERE id = 'villa'"

Take carol out of Aegean Estates: its stream ends at that place of the commit order.

  psql '%[5]s' -c "DELETE FROM organization_members WHERE \"userId\" = 'carol' AND \"organizationId\" = 'aegean'"

Ctrl-C stops everything.
`, p.Page, p.Beside, p.Cookies, stream, p.Database)
}
