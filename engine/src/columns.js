'use strict';
// Types of result columns. adapter-pg 5.17 rejects types that it does not know, and alters the items of some arrays.

const parseArray = require('postgres-array').parse;
const Result = require('pg/lib/result');

const TEXT = 25;
const FIRST_CUSTOM = 16384;

// The type OIDs that the adapter maps. Every other OID below FIRST_CUSTOM ("char", name, void, regclass, …) is
// presented as text.
const KNOWN = new Set([
  16, 17, 20, 21, 23, 25, 26, 114, 142, 143, 199, 650, 651, 700, 701, 790, 791, 869, 1000, 1001, 1002, 1005, 1007, 1009, 1014, 1015,
  1016, 1021, 1022, 1028, 1041, 1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1231, 1266, 1560, 1561, 1562, 1563, 1700, 2950,
  2951, 3802, 3807,
]);

const asIs = (item) => item;
const withoutZone = (item) => item.replace(/[+-]\d\d(:\d\d)*$/, '');
// json[], jsonb[] and uuid[] keep their items as text. timestamptz[] and timetz[] are read as timestamp[] and
// time[], which is correct because the session is in UTC.
const ARRAYS = new Map([
  [199, { item: asIs }],
  [3807, { item: asIs }],
  [2951, { item: asIs }],
  [1185, { item: withoutZone, as: 1115 }],
  [1270, { item: withoutZone, as: 1183 }],
]);

/** Patches node-pg, so that every result in this process presents its columns in types that the adapter accepts. */
function presentKnownTypes() {
  const addFields = Result.prototype.addFields;
  Result.prototype.addFields = function (fields) {
    const parsers = new Map();
    fields.forEach((field, index) => {
      const array = ARRAYS.get(field.dataTypeID);
      if (array) {
        parsers.set(index, (text) => parseArray(text, array.item));
        if (array.as) field.dataTypeID = array.as;
      } else if (field.dataTypeID < FIRST_CUSTOM && !KNOWN.has(field.dataTypeID)) {
        field.dataTypeID = TEXT;
      }
    });
    addFields.call(this, fields);
    for (const [index, parser] of parsers) this._parsers[index] = parser;
  };
}

module.exports = { presentKnownTypes };
