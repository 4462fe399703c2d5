// Projects: made by a tenant admin, who then makes keys for them.
import { ProjectId, randomPart } from '../../shared/ids.ts';
import { apiFailure } from '../../shared/problem.ts';
import { ProjectCreate, ProjectView } from '../../shared/project.ts';
import { err, ok } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { addProject, listProjects as listProjectRows } from '../store/projects.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { TENANT_ADMINS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

export const createProject = defineRoute(
  {
    method: 'POST',
    path: '/v1/projects',
    summary: 'Make a project of the tenant; keys for it are made with its id',
    roles: TENANT_ADMINS,
    params: Nothing,
    query: Nothing,
    body: ProjectCreate,
    answers: { 201: ProjectView },
    problems: ['PROJECT_NAME_TAKEN'],
  },
  async ({ catalogue, principal, body, now }) => {
    const id = ProjectId.parse(`prj_${randomPart(randomBytes(20))}`);
    const project = { id, name: body.name, createdAt: now };
    if (!(await addProject(catalogue, principal.scope, project))) return err(apiFailure('PROJECT_NAME_TAKEN'));
    return ok({ status: 201, body: project });
  },
);

export const listProjects = defineRoute(
  {
    method: 'GET',
    path: '/v1/projects',
    summary: 'List the projects of the tenant',
    roles: TENANT_ADMINS,
    params: Nothing,
    query: PageQuery,
    body: Nothing,
    answers: { 200: pageOf(ProjectView) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ catalogue, principal, query }) => {
    const page = await readPage(
      query,
      (wanted) => listProjectRows(catalogue, principal.scope, wanted),
      (project) => project,
    );
    return page.ok ? ok({ status: 200, body: page.value }) : page;
  },
);
