-- What a board needs to look like one, besides the rows of the example.
INSERT INTO properties (id, price, bedrooms, description, "organizationId", "createdBy", "propertyType", status, "transactionType", created_at) VALUES
  ('captain',  365000, 3, 'Captain’s house, Oia',      'aegean', 'alice', 'HOUSE',     'UNDER_OFFER', 'SALE', now() AT TIME ZONE 'UTC' + interval '1 ms'),
  ('windmill', 540000, 2, 'Windmill with a courtyard',    'aegean', 'carol', 'OTHER',     'AVAILABLE',   'SALE', now() AT TIME ZONE 'UTC' + interval '2 ms'),
  ('studio',      780, 0, 'Studio by the old market',     'aegean', 'carol', 'APARTMENT', 'RENTED',      'RENT', now() AT TIME ZONE 'UTC' + interval '3 ms'),
  ('grove',    125000, NULL, 'Olive grove, 8,000 m²',  'aegean', 'alice', 'LAND',      'SOLD',        'SALE', now() AT TIME ZONE 'UTC' + interval '4 ms'),
  ('arcade',   298000, 2, 'Flat over the arcade, Corfu',  'ionian', 'bob',   'APARTMENT', 'AVAILABLE',   'SALE', now() AT TIME ZONE 'UTC' + interval '1 ms'),
  ('boathouse', 89000, 1, 'Boathouse at Fiskardo',        'ionian', 'carol', 'OTHER',     'UNDER_OFFER', 'SALE', now() AT TIME ZONE 'UTC' + interval '2 ms'),
  ('manor',    920000, 7, 'Venetian manor, Zante',        'ionian', 'bob',   'HOUSE',     'AVAILABLE',   'SALE', now() AT TIME ZONE 'UTC' + interval '3 ms');
INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES
  ('n1', 'Keys are with the neighbour', 'villa', 'alice'),
  ('n2', 'Survey on Thursday', 'captain', 'carol'),
  ('n3', 'The roof needs a look', 'mill', 'bob');
