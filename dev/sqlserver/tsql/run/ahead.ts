/** What SQL Server checks of a batch before its first statement runs. */

import { SqlServerError } from '../../engine.ts';
import type { Statement } from '../ast.ts';
import { findDatabase } from '../catalogue/objects.ts';
import { atLine, sqlError } from '../errors.ts';
import { nvarchar } from '../types.ts';
import { deletePlan, insertPlan, updatePlan } from './changes.ts';
import type { SessionCore } from './core.ts';
import { conditionPlan, scalarPlan } from './evaluate.ts';
import { selectPlan } from './select.ts';

/**
 * Compiles each statement before the first one runs, as SQL Server does: an unknown column of a table that exists fails the
 * whole batch. Statements about objects that don't exist yet are left for when they run.
 */
export function checkAhead(core: SessionCore, statements: readonly Statement[]): void {
  const { database } = core;
  const { signature } = core.frame;
  const declared = new Map(core.frame.variables);
  try {
    for (const statement of statements) {
      // What is made from here on may change what the names after it mean.
      if (statement.kind === 'createTable') break;
      checkStatement(core, statement);
    }
  } finally {
    core.database = database;
    core.frame.signature = signature;
    core.frame.variables.clear();
    for (const [name, variable] of declared) core.frame.variables.set(name, variable);
  }
}

function checkStatement(core: SessionCore, statement: Statement): void {
  try {
    switch (statement.kind) {
      case 'select':
        selectPlan(core, statement.query);
        break;
      case 'insert':
        insertPlan(core, statement);
        break;
      case 'update':
        updatePlan(core, statement);
        break;
      case 'delete':
        deletePlan(core, statement);
        break;
      case 'declare':
        for (const variable of statement.variables) {
          if (core.variableType(variable.name) !== undefined) throw sqlError(134, variable.name);
          if (variable.value !== undefined) scalarPlan(core, variable.value, variable.type);
          core.declare(variable.name, variable.type, null);
        }
        break;
      case 'setVariable': {
        const type = core.variableType(statement.name);
        if (type === undefined) throw sqlError(137, statement.name);
        scalarPlan(core, statement.expression, type);
        break;
      }
      case 'print':
        scalarPlan(core, statement.expression, nvarchar(4000));
        break;
      case 'use':
        if (findDatabase(core.catalogue, statement.database) !== undefined) core.database = statement.database;
        break;
      case 'if':
        conditionPlan(core, statement.condition);
        checkStatement(core, statement.body);
        if (statement.otherwise !== undefined) checkStatement(core, statement.otherwise);
        break;
      case 'while':
        conditionPlan(core, statement.condition);
        checkStatement(core, statement.body);
        break;
      case 'block':
        for (const inner of statement.body) checkStatement(core, inner);
        break;
      case 'try':
        for (const inner of [...statement.body, ...statement.handler]) checkStatement(core, inner);
        break;
    }
  } catch (error) {
    if (!(error instanceof SqlServerError)) throw error;
    if (!deferred.has(error.info.number)) throw atLine(error, statement.line);
  }
}

/** Errors about objects, permissions or settings that an earlier statement of the batch may yet change. */
const deferred = new Set([208, 229, 544, 545, 911, 1088, 2760, 4902, 8101]);
