package load

func anOrganization(w *writer, a *args) parents {
	return parents{`"organizationId"`, `o.id`, `organizations o WHERE o.id = ` + a.add(w.organization(), "text")}
}

func aProperty(w *writer, a *args) parents {
	return parents{`"propertyId"`, `p.id`, `properties p WHERE p.id = ` + a.add(w.id(properties), "text")}
}

// beside finds, by the index, a row of a table that belongs to the same
// organization as the row named as; one time in twelve any row, most likely of
// another: whose the child is then nobody can say.
func beside(w *writer, a *args, t *table, as string) string {
	id := a.add(w.id(t), "text")
	if w.r.IntN(12) == 0 {
		return `(SELECT b.id FROM ` + t.name + ` b WHERE b.id >= ` + id + ` ORDER BY b.id LIMIT 1)`
	}
	return `(SELECT b.id FROM ` + t.name + ` b WHERE b."organizationId" = ` + as + ` AND b.id >= ` + id + ` ORDER BY b.id LIMIT 1)`
}

func twoClients(w *writer, a *args) parents {
	return parents{`"fromClientId", "toClientId"`, `f.id, t.id`,
		`clients f JOIN clients t ON t.id = ` + beside(w, a, clients, `f."organizationId"`) + ` WHERE f.id = ` + a.add(w.id(clients), "text")}
}

func aPropertyOrClient(w *writer, a *args) parents {
	const columns = `"propertyId", "clientId"`
	switch w.r.IntN(16) {
	case 0: // nobody's
		return parents{columns, `NULL, NULL`, `(VALUES (1)) v`}
	case 1, 2, 3, 4, 5:
		return parents{columns, `p.id, NULL`, `properties p WHERE p.id = ` + a.add(w.id(properties), "text")}
	case 6, 7, 8, 9, 10:
		return parents{columns, `NULL, c.id`, `clients c WHERE c.id = ` + a.add(w.id(clients), "text")}
	}
	return parents{columns, `p.id, ` + beside(w, a, clients, `p."organizationId"`), `properties p WHERE p.id = ` + a.add(w.id(properties), "text")}
}

func anOrganizationAndMore(w *writer, a *args) parents {
	from := `organizations o WHERE o.id = ` + a.add(w.organization(), "text")
	property, client := `NULL`, `NULL`
	if w.r.IntN(2) == 0 {
		property = beside(w, a, properties, `o.id`)
	}
	if w.r.IntN(2) == 0 {
		client = beside(w, a, clients, `o.id`)
	}
	return parents{`"organizationId", "propertyId", "clientId"`, `o.id, ` + property + `, ` + client, from}
}
