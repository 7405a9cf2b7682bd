"""Results of plain tasks, django-celery-results' own pages: what its actions and forms may do is
guarded by Django's permissions; its addresses are not guarded against NUL."""

from django_celery_results.admin import GroupResultAdmin, TaskResultAdmin

from neural.admin.nul import refuses_nul

for model_admin in (TaskResultAdmin, GroupResultAdmin):
    refuses_nul(model_admin)
